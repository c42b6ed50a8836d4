"""Workers that die in the middle of an update of a thread's state."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import new_thread
from tests.harness.workers import WorkerProcess, crew_of
from tests.system.test_state import history, state_at
from tests.system.test_state_updates import Gate, update


def kill(worker: WorkerProcess) -> None:
    """All of it."""
    worker.signal_all(signal.SIGKILL)


def stop(worker: WorkerProcess) -> None:
    """All of it, for a while."""
    worker.signal_all(signal.SIGSTOP)


def kill_executor(worker: WorkerProcess) -> None:
    """The process with the user's code alone."""
    worker.executors()[0].kill()


@pytest.mark.parametrize("lose", [kill, stop, kill_executor])
async def test_an_update_of_a_worker_that_dies_is_made_once_by_another(
    servers: Servers, tmp_path: Path, lose: Callable[[WorkerProcess], None]
) -> None:
    gate = Gate(tmp_path / "gate")
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri)
        async with serving(settings) as platform, crew_of(settings, tmp_path) as crew:
            workers = await crew.of(2)
            thread = new_thread()
            await platform.run("choice", {"log": []}, thread=thread)
            before = len((await history(platform, thread)).states)
            updating = asyncio.create_task(update(platform, thread, gate.writes, timeout=30))
            await gate.reached()
            owner = await platform.pool.fetchval("SELECT worker_id FROM state_requests")
            lost = next(worker for worker in workers if worker.worker_id == owner)
            lose(lost)
            await gate.reached(2)
            gate.open()
            if lose is stop:
                lost.signal_all(signal.SIGCONT)
            await updating
            assert json.loads((await state_at(platform, thread)).values.text)["log"] == ["first", "second", "held"]
            assert len((await history(platform, thread)).states) == before + 1
