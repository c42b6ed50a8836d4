"""How much each process has in hand: tasks, files, connections, memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from tests.faults.rig import Member, Rig

Figures = dict[str, float]

_ANSWER_SECONDS = 10.0
_SETTLED_SECONDS = 30.0
_SETTLED_LOOKS = 3
_LOOKS_AT_WORK = 12
_PAUSE_SECONDS = 0.5
# What changes without anything being left behind.
_DRIFTING = frozenset({"megabytes", "age", "postgres in use", "redis in use"})


class Unanswered(Exception):
    """A process does not run, or does not say what it has in hand."""


async def settled(rig: Rig) -> dict[str, Figures]:
    """The least of each figure until three looks in a row had the same counts, or for half a minute. Unanswered.

    The least, since loops look for work at rest too, on a slow machine at any moment: what is left behind is there at
    each look. Where a process had a statement under way at each, a dozen looks are taken.
    """
    until = time.monotonic() + _SETTLED_SECONDS
    looks: list[dict[str, Figures]] = []
    while True:
        try:
            looks.append(await measure(rig))
        except Unanswered:
            looks = []
            if time.monotonic() > until:
                raise
        last = [_counts(look) for look in looks[-_SETTLED_LOOKS:]]
        alike = len(last) == _SETTLED_LOOKS and all(counts == last[0] for counts in last)
        least = {name: _least(name, looks) for name in looks[-1]} if looks else {}
        is_quiet = not any(found["postgres in use"] for found in least.values())
        if looks and ((alike and (is_quiet or len(looks) >= _LOOKS_AT_WORK)) or time.monotonic() > until):
            return least
        await asyncio.sleep(_PAUSE_SECONDS)


def _counts(look: Mapping[str, Figures]) -> dict[str, Figures]:
    return {name: {k: v for k, v in found.items() if k not in _DRIFTING} for name, found in look.items()}


def _least(name: str, looks: list[dict[str, Figures]]) -> Figures:
    now = looks[-1][name]
    own = [look[name] for look in looks if name in look and look[name]["pid"] == now["pid"]]
    return {figure: min(found[figure] for found in own) for figure in now}


async def measure(rig: Rig) -> dict[str, Figures]:
    """The figures of each process: a member's by its name, an executor's as "worker-1/<pid>". Unanswered.

    `age` is in seconds. `postgres` and `redis` are open connections, `… in use` those of a pool that are at work, and
    `… astray` those that no pool has.
    """
    processes: dict[str, tuple[Member, psutil.Process]] = {}
    for member in rig.members.values():
        if member.pid is None:
            raise Unanswered(f"{member.name} does not run")
        processes[member.name] = member, psutil.Process(member.pid)
        processes |= {f"{member.name}/{executor.pid}": (member, executor) for executor in member.executors()}
    # One after another: all at once would take the processors away from heartbeats.
    return {name: await _of_process(rig, *each) for name, each in processes.items()}


async def _of_process(rig: Rig, member: Member, process: psutil.Process) -> Figures:
    try:
        told = await _told(rig.folder / "figures" / str(process.pid), process.pid)
        if not told["tasks"]:
            raise Unanswered(f"a process of {member.name}, {process.pid}, has yet to begin its work")
        found: Figures = {
            "pid": process.pid,
            "age": round(time.time() - process.create_time()),
            "megabytes": megabytes(process),
            # Connections are counted apart.
            "files": process.num_fds() - len(process.net_connections(kind="inet")),
            "tasks": told["tasks"],
        }
        for name, link in (("postgres", member.postgres), ("redis", member.redis)):
            statuses = [
                connection.status
                for connection in process.net_connections(kind="tcp")
                if connection.raddr[1:2] == (link.port,)
            ]
            is_open = statuses.count(psutil.CONN_ESTABLISHED)
            # A pool keeps a connection that was reset until it is needed again; the system lists it no more.
            found["files"] -= max(0, told[f"{name} pooled"] - len(statuses))
            astray = max(0, is_open - told[f"{name} pooled"])
            found |= {name: is_open, f"{name} in use": told[f"{name} in use"], f"{name} astray": astray}
        return found
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError) as error:
        raise Unanswered(f"a process of {member.name} has ended") from error
    except TimeoutError as error:
        raise Unanswered(f"a process of {member.name}, {process.pid}, did not answer SIGUSR2") from error


async def _told(file: Path, pid: int) -> Figures:
    """What the process says of itself. TimeoutError."""
    file.unlink(missing_ok=True)
    async with asyncio.timeout(_ANSWER_SECONDS):
        # It would end a process that has just begun.
        while not _listens(pid):
            await asyncio.sleep(0.02)
        os.kill(pid, signal.SIGUSR2)
        while not file.exists():
            await asyncio.sleep(0.02)
    told: Figures = json.loads(file.read_text())
    return told


def _listens(pid: int) -> bool:
    """Whether it has a handler for SIGUSR2."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGUSR2 - 1) & 1)


def megabytes(process: psutil.Process) -> float:
    """Memory that is its own or shared, as far as it is resident."""
    return round(float(process.memory_info().rss) / 1e6, 1)


def of_parts(found: Mapping[str, Figures]) -> dict[str, Figures]:
    """The largest of each part: resource, dispatch, stream, worker (its supervisor) and executor."""
    parts: dict[str, Figures] = {}
    for name, figures in found.items():
        known = parts.setdefault("executor" if "/" in name else name.partition("-")[0], {})
        for figure, value in figures.items():
            if figure != "pid":
                known[figure] = max(known.get(figure, 0), value)
    return parts


class Watch:
    """The most that each member ever had: connections to Redis, and megabytes (a worker's without its executors')."""

    def __init__(self) -> None:
        self.most: dict[str, Figures] = {}

    def look(self, members: list[Member]) -> None:
        """Once in a while."""
        for member in members:
            most = self.most.setdefault(member.name, {"redis": 0, "megabytes": 0})
            most["redis"] = max(most["redis"], member.redis.clients)
            if member.pid is not None and psutil.pid_exists(member.pid):
                most["megabytes"] = max(most["megabytes"], megabytes(psutil.Process(member.pid)))
