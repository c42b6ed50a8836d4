"""A run that loses its executor goes on from what it has written itself, wherever it began."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from runwire.api.type.v1 import run_pb2
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import Platform, new_thread, output, status
from tests.harness.waiting import until
from tests.harness.workers import Crew, crew_of

STEPS = [f"step{number}" for number in range(6)]


@pytest.fixture(scope="module")
async def owned(servers: Servers) -> AsyncIterator[Platform]:
    """The three services. Workers are a crew of processes."""
    async with fresh_database(servers) as uri, serving(system_settings(uri, servers.redis_uri)) as platform:
        yield platform


@pytest.fixture(scope="module")
async def crew(owned: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Worker processes to kill."""
    async with crew_of(owned.settings, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def test_a_second_attempt_does_not_fork_again(owned: Platform, crew: Crew, tmp_path: Path) -> None:
    [worker] = await crew.of(1)
    thread, journal = new_thread(), tmp_path / "journal"
    journal.touch()
    await owned.run("steps", {"count": 0}, thread=thread)
    end = await owned.pool.fetchval("SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = $1", thread)
    await owned.run("steps", {"count": 100}, thread=thread)
    value = {"count": 1, "delay": 0.4, "journal": str(journal)}
    run = await owned.create("steps", value, thread=thread, checkpoint=run_pb2.CheckpointRef(checkpoint_id=end))

    async def has_begun() -> bool:
        return "step2" in journal.read_text()

    await until(has_begun)
    for executor in worker.executors():
        executor.kill()
    ended = await owned.finish(run.run_id, within=60)
    assert (status(ended), ended.run.attempts) == ("success", 2)
    # Six steps before the checkpoint, the input, and six steps after it.
    assert (output(ended)["count"], output(ended)["applied"]) == (13, STEPS * 2)
    assert journal.read_text().split()[:2] == ["step0", "step1"]
    assert journal.read_text().split().count("step0") == 1


async def test_a_second_attempt_does_not_repeat_tasks_of_a_function(
    owned: Platform, crew: Crew, tmp_path: Path
) -> None:
    [worker] = await crew.of(1)
    thread, journal, gate = new_thread(), tmp_path / "journal", tmp_path / "gate"
    journal.touch()
    await owned.run("count", {}, thread=thread)
    run = await owned.create("count", {"journal": str(journal), "gate": str(gate)}, thread=thread, modes=["updates"])
    # Its result is shown when it is done; it is stored before the next task is.
    await owned.reached(run.run_id, "update", node="_note")
    await until(lambda: stored_writes(owned, run.run_id))
    for executor in worker.executors():
        executor.kill()
    gate.touch()
    ended = await owned.finish(run.run_id, within=60)
    assert (status(ended), ended.run.attempts, output(ended)) == ("success", 2, 2)
    assert journal.read_text().split() == ["first", "second"]


async def stored_writes(platform: Platform, run_id: str) -> int:
    """How many results of tasks are stored of a run."""
    count: int = await platform.pool.fetchval("SELECT count(*) FROM checkpoint_writes WHERE run_id = $1", UUID(run_id))
    return count
