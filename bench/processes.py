"""Which processes are measured, and the CPU time that each of them has used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import asyncpg
import psutil
import redis.asyncio

from runwire.cli.stack import Stack
from runwire.core.settings import Settings

PARTS = ("resource", "dispatch", "stream", "worker", "postgres", "redis")


class Processes:
    """Process trees by name. Those of another machine have no CPU time here and are left out."""

    def __init__(self, roots: Mapping[str, psutil.Process]) -> None:
        self._roots = roots

    @classmethod
    async def of(cls, stack: Stack, settings: Settings) -> Processes:
        """Those of a stack, and its Postgres and Redis."""
        pids: dict[str, int | None] = {process.name: process.pid for process in stack.processes}
        pids |= {"postgres": await _postmaster(settings.database_uri), "redis": await _redis_server(settings.redis_uri)}
        return cls({name: psutil.Process(pid) for name, pid in pids.items() if pid and _looks_like(name, pid)})

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time so far, children that have ended included."""
        return {name: sum(map(_seconds, _tree(root))) for name, root in self._roots.items()}


def _tree(root: psutil.Process) -> list[psutil.Process]:
    return [root, *root.children(recursive=True)]


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        # user, system, and both of the children that have been waited for
        return float(sum(process.cpu_times()[:4]))
    return 0.0


def _looks_like(name: str, pid: int) -> bool:
    """Whether the process is what it should be: a server elsewhere tells a pid of elsewhere."""
    with suppress(psutil.NoSuchProcess):
        line = " ".join(psutil.Process(pid).cmdline())
        return {"redis": "-server"}.get(name, name) in line
    return False


async def _postmaster(uri: str) -> int | None:
    connection = await asyncpg.connect(uri)
    try:
        backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(backend).ppid()
        return None
    finally:
        await connection.close()


async def _redis_server(uri: str) -> int | None:
    async with redis.asyncio.from_url(uri) as client:
        pid: int = (await client.info("server"))["process_id"]
        return pid
