"""How much each process has in hand: tasks, files, connections, memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.faults.rig import Member, Rig


async def measure(rig: Rig) -> dict[str, dict[str, float]]:
    """The largest figures of each part: resource, dispatch, stream, worker (its supervisor) and executor.

    To be taken when nothing happens. `postgres` and `redis` are connections through the member's links, a worker's
    with those of its executors.
    """
    found: dict[str, dict[str, float]] = {}
    for member in rig.members.values():
        if member.pid is None:
            continue
        _note(found, member.part, {**await _process(rig, member.pid), **_connections(member)})
        for executor in member.executors():
            _note(found, "executor", await _process(rig, executor.pid))
    return found


def _connections(member: Member) -> dict[str, float]:
    """As the system knows them: a link knows of some that the process has given up."""
    ports = {"postgres": member.postgres.port, "redis": member.redis.port}
    counts: dict[str, float] = dict.fromkeys(ports, 0)
    for process in [psutil.Process(member.pid), *member.executors()]:
        with suppress(psutil.NoSuchProcess):
            for connection in process.net_connections(kind="tcp"):
                for name, port in ports.items():
                    is_open = connection.status == psutil.CONN_ESTABLISHED
                    counts[name] += is_open and connection.raddr.port == port
    return counts


def _note(found: dict[str, dict[str, float]], part: str, figures: dict[str, float]) -> None:
    known = found.setdefault(part, {})
    for name, value in figures.items():
        known[name] = max(known.get(name, 0), value)


async def _process(rig: Rig, pid: int) -> dict[str, float]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return {
            "megabytes": round(process.memory_info().rss / 1e6, 1),
            # Connections are counted apart.
            "files": process.num_fds() - len(process.net_connections(kind="inet")),
            **await _inside(rig.folder / "figures" / str(pid), pid),
        }
    return {}


async def _inside(file: Path, pid: int) -> dict[str, float]:
    """What the process says of itself."""
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR2)
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not file.exists():
                await asyncio.sleep(0.02)
            told: dict[str, Any] = json.loads(file.read_text())
            return {"tasks": told["tasks"]}
    return {}


class Watch:
    """The most connections to Redis that each member ever had."""

    def __init__(self) -> None:
        self.most: dict[str, int] = {}

    def look(self, members: list[Member]) -> None:
        """Once in a while."""
        for member in members:
            count = member.redis.clients
            self.most[member.name] = max(self.most.get(member.name, 0), count)
