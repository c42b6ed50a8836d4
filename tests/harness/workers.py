"""Worker processes that tests kill, stop and drain."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from runwire.core.settings import Settings
from tests.harness.waiting import until

_ROOT = Path(__file__).parent.parent.parent
_START_SECONDS = 60.0
_END_SECONDS = 20.0


class WorkerProcess:
    """A worker with its supervisor and its executors."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log
        self.worker_id = UUID(int=0)
        self._executors: list[psutil.Process] = []

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def is_ready(self) -> bool:
        """Whether it is registered and its executors work; notes its newest id."""
        if not self.is_running:
            raise AssertionError(f"the worker has ended: {self.log.read_text()[-2000:]}")
        ids = [found["worker_id"] for line in self.log.read_text().splitlines() if (found := _registration(line))]
        if ids:
            self.worker_id = UUID(ids[-1])
            self._executors = self.executors()
        return bool(ids and self._executors) and all(map(_has_loaded, self._executors))

    def executors(self) -> list[psutil.Process]:
        """Its executor processes now."""
        return [child for child in psutil.Process(self.pid).children() if _is_executor(child)]

    def kill(self) -> None:
        """SIGKILL to the supervisor alone."""
        self._process.kill()

    def signal_all(self, number: int) -> None:
        """A signal to the supervisor and its executors."""
        for process in (*self.executors(), psutil.Process(self.pid)):
            process.send_signal(number)

    def drain(self) -> None:
        """SIGTERM."""
        self._process.terminate()

    async def ended(self, *, within: float = _END_SECONDS) -> None:
        """Waits until the supervisor and all its executors are gone."""
        async with asyncio.timeout(within):
            await self._process.wait()

        async def gone() -> bool:
            return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in self._executors)

        await until(gone, within=within)

    async def close(self) -> None:
        """Ends it, whatever state it is in."""
        if self.is_running:
            with suppress(psutil.NoSuchProcess):
                self._executors = self.executors()
            with suppress(ProcessLookupError):
                self._process.kill()
            for executor in self._executors:
                with suppress(psutil.NoSuchProcess):
                    executor.kill()
        await self.ended()


def _is_executor(child: psutil.Process) -> bool:
    """Whether it is one that has not ended."""
    with suppress(psutil.NoSuchProcess):
        return "runwire.worker.executor_process" in child.cmdline()
    return False


def _has_loaded(executor: psutil.Process) -> bool:
    """Whether it has connected, which it does when it has loaded the graphs."""
    with suppress(psutil.NoSuchProcess):
        return bool(executor.net_connections(kind="tcp"))
    return False


def _registration(line: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(line)
        if found.get("action") == "registered":
            return found
    return None


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables."""
    values = settings.model_dump(mode="json")
    variables = {f"RUNWIRE_{name.upper()}": str(value) for name, value in values.items()}
    path = os.pathsep.join([str(_ROOT / "services"), str(_ROOT / "gen"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **variables, "PYTHONPATH": path, "RUNWIRE_LOG_LEVEL": "INFO"}


class Crew:
    """Workers that tests take and do not give back whole: each test gets as many living ones as it asks for."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._workers: list[WorkerProcess] = []
        self._started = 0

    async def of(self, count: int) -> list[WorkerProcess]:
        """Exactly `count` workers: those that live, and new ones."""
        for worker in self._workers[count:]:
            await worker.close()
        self._workers = [worker for worker in self._workers[:count] if worker.is_running]
        for _ in range(count - len(self._workers)):
            await self.start()
        for worker in self._workers:
            await until(worker.is_ready, within=_START_SECONDS)
        return list(self._workers)

    async def close(self) -> None:
        """Ends all."""
        await self.of(0)

    async def start(self) -> WorkerProcess:
        """One more, which is not ready yet."""
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "runwire.worker", env=environment(self._settings), stdout=file, stderr=file
            )
        self._workers.append(WorkerProcess(process, log))
        return self._workers[-1]


@asynccontextmanager
async def crew_of(settings: Settings, folder: Path) -> AsyncIterator[Crew]:
    """A crew that is ended with the block."""
    crew = Crew(settings, folder)
    try:
        yield crew
    finally:
        await crew.close()
