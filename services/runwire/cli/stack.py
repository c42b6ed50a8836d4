"""The processes of Runwire together, each a process of the operating system, as in production."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from runwire.cli.caller import CALLERS_OWN
from runwire.cli.errors import StackError
from runwire.cli.ports import free_port, is_free
from runwire.cli.process import Process
from runwire.core.settings import Settings

HEALTH_NAMES: Mapping[str, str] = {
    "worker": "runwire.worker",
    "resource": "runwire.api.resource.v1.ThreadsService",
    "dispatch": "runwire.api.dispatch.v1.RunsService",
    "stream": "runwire.api.stream.v1.StreamService",
}
"""The service of each process that says when it is ready."""

_START_SECONDS = 150.0
_KILL_MARGIN = 3.0
_LINES_SHOWN = 12


@asynccontextmanager
async def running(
    settings: Settings, *, log_dir: Path, processes: Sequence[str] = tuple(HEALTH_NAMES)
) -> AsyncIterator[Stack]:
    """Real processes on a migrated database, all of them ready; at the block's end they are ended, the workers first.

    `processes` are "resource", "dispatch", "stream" and "worker"; several of a part are told apart by what follows a
    hyphen ("worker-2"). The first of a part gets its port of the settings, where 0 means a free one. StackError says
    what keeps a process from starting.
    """
    stack = Stack(settings, log_dir)
    try:
        await stack.start(*processes)
        yield stack
    finally:
        await stack.end()


class Stack:
    """Processes with the same settings."""

    def __init__(self, settings: Settings, log_dir: Path) -> None:
        self.settings = settings
        self._log_dir = log_dir
        self._processes: dict[str, Process] = {}
        self._ports: set[int] = set()

    @property
    def processes(self) -> tuple[Process, ...]:
        """All processes, in the order of their start."""
        return tuple(self._processes.values())

    def process(self, name: str) -> Process:
        """The process of that name."""
        return self._processes[name]

    def address(self, name: str) -> str:
        """Where a process answers, as host:port."""
        return self._processes[name].address

    async def start(self, *names: str) -> None:
        """Starts further processes and returns when all of them are ready.

        No more at once than there are processors: a worker takes as long as all services one after another, if they
        leave it a processor of its own.
        """
        self._log_dir.mkdir(parents=True, exist_ok=True)
        added = sorted(map(self._add, names), key=lambda process: process.part != "worker")
        processors = asyncio.Semaphore(max(2, os.cpu_count() or 2))

        async def launch(process: Process) -> None:
            async with processors:
                await self.launch(process)

        try:
            async with asyncio.TaskGroup() as group:
                for process in added:
                    group.create_task(launch(process))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def launch(self, process: Process) -> None:
        """Starts a process and returns when it is ready; StackError when it ends before, or takes too long."""
        await process.launch()
        # Not earlier: the import costs as much time as the start of a process.
        from runwire.cli.health import wait_until_serving

        ready = asyncio.create_task(wait_until_serving(process.address, HEALTH_NAMES[process.part], self.settings))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait([ready, ended], timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                raise _failed(process, "ended before it was ready")
            if not ready.done():
                raise _failed(process, f"was not ready within {_START_SECONDS:g} s")
            ready.result()
        finally:
            ready.cancel()
            ended.cancel()
            await asyncio.gather(ready, ended, return_exceptions=True)

    async def restart(self, name: str) -> None:
        """Ends a process if it still runs, and starts it again at the same address."""
        process = self._processes[name]
        await process.end(self._limit(process))
        await self.launch(process)

    async def end(self) -> None:
        """Ends all processes: the workers first, which hand their runs back, then the services."""
        workers = [process for process in self.processes if process.part == "worker"]
        services = [process for process in self.processes if process.part != "worker"]
        for those in (workers, services):
            await asyncio.gather(*(process.end(self._limit(process)) for process in those))

    def _limit(self, process: Process) -> float:
        settings = self.settings
        drain = settings.drain_timeout + settings.cancel_grace if process.part == "worker" else settings.shutdown_grace
        return drain.total_seconds() + _KILL_MARGIN

    def _add(self, name: str) -> Process:
        part = name.partition("-")[0]
        port = self._port(part)
        log = self._log_dir / f"{name}.log"
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        log.touch()
        address = f"{_reachable(self.settings.host)}:{port}"
        process = Process(name, part, address, self._environment(part, port), log)
        self._processes[name] = process
        return process

    def _environment(self, part: str, port: int) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name not in CALLERS_OWN}
        return {**own, **self.settings.variables(), f"RUNWIRE_{part.upper()}_PORT": str(port)}

    def _port(self, part: str) -> int:
        wanted: int = getattr(self.settings, f"{part}_port")
        if part in (process.part for process in self.processes) or not wanted:
            wanted = free_port(self.settings.host, self._ports)
        elif not is_free(self.settings.host, wanted):
            raise StackError(
                f"Port {wanted} is in use: end what uses it, or set RUNWIRE_{part.upper()}_PORT to another one."
            )
        self._ports.add(wanted)
        return wanted


def _reachable(host: str) -> str:
    """The address at which a server that listens on `host` can be called from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _failed(process: Process, what: str) -> StackError:
    lines = process.last_lines(_LINES_SHOWN) or ["(it said nothing)"]
    return StackError(f"{process.name} {what}. The end of {process.log}:\n" + "\n".join(_indented(lines)))


def _indented(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        yield from (f"  {part}" for part in _unfolded(line).splitlines())


def _unfolded(line: str) -> str:
    """A record that ends a process, as a person reads it: the traceback."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(line)["exc_info"])
    return line
