"""Runs without a thread leave nothing behind but their row, however they end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.platform import Platform, output, status
from tests.harness.waiting import until


@pytest.mark.parametrize(
    ("graph", "value", "end"),
    [
        ("steps", {}, "success"),
        ("nested", {"text": "a"}, "success"),
        ("failing", {}, "error"),
        ("gate", {}, "interrupted"),
    ],
)
async def test_a_run_without_a_thread_leaves_only_its_row(platform: Platform, graph: str, value: Any, end: str) -> None:
    done = await platform.run(graph, value)
    assert status(done) == end
    assert await left_behind(platform, done.run.run_id) == 0


async def test_a_cancelled_run_without_a_thread_leaves_only_its_row(platform: Platform) -> None:
    run = await platform.create("slow", {}, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    assert await until(lambda: left_behind(platform, run.run_id))
    await platform.cancel(run.run_id)
    assert status(await platform.finish(run.run_id)) == "cancelled"
    assert await left_behind(platform, run.run_id) == 0


@pytest.mark.parametrize("end", ["success", "cancelled"])
async def test_a_run_that_bears_a_threads_id_neither_reads_nor_removes_its_state(platform: Platform, end: str) -> None:
    kept = await platform.run("slow", {"delay": 0}, on_completion="ON_COMPLETION_KEEP")
    thread = kept.run.thread_id
    await platform.delete_a_day_ago(thread)
    before = await platform.state(thread)

    run = await platform.create("slow", {"delay": 0 if end == "success" else 60}, run_id=thread, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    if end == "cancelled":
        await platform.cancel(run.run_id)
    done = await platform.finish(run.run_id)

    assert status(done) == end
    if end == "success":
        assert output(done)["log"] == ["quick", "slow"]
    assert await platform.state(thread) == before


async def test_the_code_of_a_run_without_a_thread_knows_it_by_the_runs_id(platform: Platform) -> None:
    run = await platform.run("surroundings", {})
    assert output(run)["seen"]["configurable"]["thread_id"] == run.run.run_id


async def left_behind(platform: Platform, run_id: str) -> int:
    """How many rows of threads and checkpoints there are of a run that has no thread."""
    tables = ("threads", "checkpoints", "checkpoint_blobs", "checkpoint_writes")
    counts = " + ".join(f"(SELECT count(*) FROM {table} WHERE starts_with(thread_id, $1))" for table in tables)
    count: int = await platform.pool.fetchval(f"SELECT {counts}", run_id)
    return count
