"""What breaks, how, and for how long. Each kind is a function of the rig that returns when it is healed.

What it returns is how much it hit: connections, messages, processes. A fault that hit nothing did not happen.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import redis.asyncio

from tests.faults.history import History
from tests.faults.proxy import Link
from tests.faults.rig import TIMES, VERSIONS, Member, Rig

# A process that was told to end does so within this time, whatever it stands on.
_DRAIN_SECONDS = 30.0
_LEASE = TIMES["lease"].total_seconds()


class Skipped(Exception):
    """Nothing is there that this could happen to: it is in the hands of another fault."""


class Scene:
    """A fault's view of the rig: it takes what it harms in hand, so that no two faults heal each other's victims."""

    def __init__(self, rig: Rig, rng: random.Random, history: History) -> None:
        self.rig = rig
        self.rng = rng
        self.history = history
        self.detail: dict[str, Any] = {}
        self.touches: set[str] = set()
        """Whom it harms: members, links, and "postgres" or "redis" where it is all of the server."""

    def tell(self, **detail: Any) -> None:
        """What the history will say of this fault."""
        self.detail.update(detail)

    @asynccontextmanager
    async def some(self, *parts: str) -> AsyncIterator[Member]:
        """A member that no other fault has in hand, and which runs."""
        idle = [member for member in self.rig.of(*parts) if not member.busy and member.pid is not None]
        if not idle:
            raise Skipped
        member = self.rng.choice(idle)
        member.busy = True
        self.touches.add(member.name)
        self.tell(target=member.name, pid=member.pid)
        try:
            yield member
        finally:
            member.busy = False

    @contextmanager
    def links(self, *prefixes: str) -> Iterator[list[Link]]:
        """The links to a kind of server, one or all of them, that no other fault has in hand; calm when it ends."""
        prefix = self.rng.choice(prefixes)
        idle = [link for link in self.rig.links if link.name.startswith(prefix) and not link.busy]
        if not idle:
            raise Skipped
        chosen = idle if self.rng.random() < 0.25 else [self.rng.choice(idle)]
        self.touches.update(link.name for link in chosen)
        self.tell(target=prefix if len(chosen) > 1 else chosen[0].name)
        for link in chosen:
            link.busy, link.harmed = True, 0
        try:
            yield chosen
        finally:
            for link in chosen:
                link.calm()
                link.busy = False

    @asynccontextmanager
    async def server(self, name: str) -> AsyncIterator[Any]:
        """Postgres or Redis."""
        if name in self.rig.servers_in_hand:
            raise Skipped
        self.rig.servers_in_hand.add(name)
        self.touches.add(name)
        self.tell(target=name)
        try:
            yield getattr(self.rig, name)
        finally:
            self.rig.servers_in_hand.discard(name)

    def share(self) -> Callable[[], bool]:
        """Chooses connections: some, or all."""
        share = self.rng.choice([0.3, 0.6, 1.0])
        return lambda: self.rng.random() < share

    async def last(self, least: float, most: float) -> None:
        """The fault goes on for some time."""
        await asyncio.sleep(self.rng.uniform(least, most))


Fault = Callable[[Scene], Awaitable[int]]

_NETWORK = ("postgres<", "redis<", "grpc>")


def _kills(part: str) -> Fault:
    async def kill(scene: Scene) -> int:
        async with scene.some(part) as member:
            killed = member.signal(signal.SIGKILL)
            await scene.last(0, 1.5)
            await member.restart()
            return len(killed)

    return kill


async def kill_executor(scene: Scene) -> int:
    """The supervisor sees it and starts another."""
    async with scene.some("worker") as member:
        killed = member.signal(signal.SIGKILL, supervisor=False, executors=True)
        scene.tell(executors=killed)
        return len(killed)


def _stops(part: str, least: float, most: float, *, supervisor: bool = True, executors: bool = False) -> Fault:
    async def stop(scene: Scene) -> int:
        async with scene.some(part) as member:
            pids = member.signal(signal.SIGSTOP, supervisor=supervisor, executors=executors)
            scene.tell(stopped=pids)
            try:
                if pids:
                    await scene.last(least, most)
            finally:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)
            return len(pids)

    return stop


def _drains(part: str) -> Fault:
    async def drain(scene: Scene) -> int:
        async with scene.some(part) as member:
            await _drain(scene, member)
            await member.restart()
            return 1

    return drain


async def _drain(scene: Scene, member: Member) -> None:
    scene.tell(told_to_end=time.time_ns())
    member.signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            await member.process.wait()
    except TimeoutError:
        words = member.process.last_lines(3)
        scene.history.note("undrained", name=member.name, seconds=_DRAIN_SECONDS, words=words)


async def roll_out(scene: Scene) -> int:
    """A worker of another version comes, an old one is drained: for a while two versions serve."""
    rig = scene.rig
    async with scene.some("worker") as old:
        version = scene.rng.choice([version for version in VERSIONS if version != old.version])
        new = await rig.member(rig.next_name("worker"), version=version)
        scene.touches.add(new.name)
        scene.tell(version=version, new=new.name)
        await scene.last(0.5, 2)
        await _drain(scene, old)
        await rig.remove(old)
        return 1


async def restart_postgres(scene: Scene) -> int:
    """An immediate stop: no connection is told, and what was not committed is gone."""
    async with scene.server("postgres") as server:
        os.kill(server.pid, signal.SIGQUIT)
        await _gone(server)
        await scene.last(0, 3)
        await server.start()
        return 1


async def end_sessions(scene: Scene) -> int:
    """An administrator ends all sessions of Postgres, or some."""
    async with scene.server("postgres") as server:
        connection = await asyncpg.connect(server.uri, timeout=10)
        try:
            ended: int = await connection.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name LIKE 'runwire-%' AND random() < $1",
                scene.rng.choice([0.3, 1.0]),
            )
            return ended
        finally:
            await connection.close()


async def kill_redis(scene: Scene) -> int:
    """It is dead for a while."""
    async with scene.server("redis") as server:
        os.kill(server.pid, signal.SIGKILL)
        await _gone(server)
        await scene.last(0, 4)
        await server.start()
        return 1


async def flush_redis(scene: Scene) -> int:
    """All keys are gone."""
    async with scene.server("redis") as server, redis.asyncio.from_url(server.uri) as client:
        keys: int = await client.dbsize()
        await client.flushall()
        return keys


def _kills_clients(*types: str) -> Fault:
    async def kill(scene: Scene) -> int:
        async with scene.server("redis") as server, redis.asyncio.from_url(server.uri) as client:
            return sum([int(await client.client_kill_filter(_type=each)) for each in types])

    return kill


async def _gone(server: Any) -> None:
    async with asyncio.timeout(20):
        while server.pid is not None:
            await asyncio.sleep(0.02)


async def reset(scene: Scene) -> int:
    """RST on connections."""
    with scene.links(*_NETWORK) as links:
        return sum([link.reset(scene.share()) for link in links])


async def half_open(scene: Scene) -> int:
    """One end is gone and the other does not know; it finds out, or is told when the fault ends."""
    with scene.links(*_NETWORK) as links:
        hit = sum([link.half_open(scene.share(), scene.rng) for link in links])
        if hit:
            await scene.last(2, 14)
        return hit


async def cut(scene: Scene) -> int:
    """An answer breaks off in the middle."""
    with scene.links(*_NETWORK) as links:
        size = scene.rng.randint(1, 4000)
        scene.tell(after=size)
        if any([link.cut_after(scene.share(), size) for link in links]):
            await scene.last(1, 3)
        return sum(link.harmed for link in links)


def _weather(change: Callable[[Link, random.Random], None], least: float, most: float, *prefixes: str) -> Fault:
    async def weather(scene: Scene) -> int:
        with scene.links(*prefixes) as links:
            for link in links:
                change(link, scene.rng)
            await scene.last(least, most)
            return sum(link.harmed for link in links)

    return weather


def _lose_answers(link: Link, rng: random.Random) -> None:
    share = rng.choice([0.01, 0.03, 0.1])
    link.weather.loses_answer = lambda: rng.random() < share


def _delay(link: Link, rng: random.Random) -> None:
    link.weather.delay = rng.uniform(0.01, 0.3)


def _lose(link: Link, _: random.Random) -> None:
    link.weather.lose = True


def _hold(link: Link, _: random.Random) -> None:
    link.hold(True)


def _refuse(link: Link, _: random.Random) -> None:
    link.weather.refuse = True
    link.reset(lambda: True)


KINDS: Mapping[str, Fault] = {
    "kill worker": _kills("worker"),
    "kill executor": kill_executor,
    "kill dispatch": _kills("dispatch"),
    "kill stream": _kills("stream"),
    "kill resource": _kills("resource"),
    "stop worker beyond its lease": _stops("worker", 1.2 * _LEASE, 2.2 * _LEASE, executors=True),
    "stop supervisor beyond its lease": _stops("worker", 1.2 * _LEASE, 2.2 * _LEASE),
    "stop executor beyond its lease": _stops("worker", 1.2 * _LEASE, 2 * _LEASE, supervisor=False, executors=True),
    "stop dispatch": _stops("dispatch", 2, 8),
    "stop stream": _stops("stream", 2, 8),
    "stop resource": _stops("resource", 2, 8),
    "drain worker": _drains("worker"),
    "drain dispatch": _drains("dispatch"),
    "drain stream": _drains("stream"),
    "drain resource": _drains("resource"),
    "roll out another version": roll_out,
    "restart postgres": restart_postgres,
    "end postgres sessions": end_sessions,
    "kill redis": kill_redis,
    "flush redis": flush_redis,
    "kill pubsub clients": _kills_clients("pubsub"),
    "kill redis clients": _kills_clients("normal", "pubsub"),
    "reset": reset,
    "half open": half_open,
    "cut": cut,
    "lose answer": _weather(_lose_answers, 1, 4, "postgres<worker", *_NETWORK),
    "delay": _weather(_delay, 2, 6, *_NETWORK),
    "black hole": _weather(_lose, 2, 7, *_NETWORK),
    "hold": _weather(_hold, 1, 6, *_NETWORK),
    "refuse connections": _weather(_refuse, 0.5, 4, *_NETWORK),
}
"""Every kind by its name."""

STEADY = (
    "stop dispatch",
    "stop stream",
    "stop resource",
    "restart postgres",
    "end postgres sessions",
    "kill redis",
    "flush redis",
    "kill pubsub clients",
    "kill redis clients",
    "reset",
    "half open",
    "cut",
    "lose answer",
    "delay",
    "black hole",
    "hold",
    "refuse connections",
)
"""Kinds after which the same processes go on."""


class Breaker:
    """Lets faults happen, at random moments, several at once."""

    def __init__(self, rig: Rig, history: History, rng: random.Random, kinds: Sequence[str]) -> None:
        self._rig = rig
        self._history = history
        self._rng = rng
        self._kinds = list(kinds)
        self._bag: list[str] = []
        self._under_way = 0
        self.count: Counter[str] = Counter()
        """Faults that happened and were healed, by kind."""
        self.broken: list[str] = []
        """Faults that failed by themselves: the campaign's own mistakes, or processes that did not come back."""

    async def run(self, pause: float, stop: asyncio.Event, *, most: int = 4) -> None:
        """A fault each `pause` seconds in the mean, until `stop`; then the last ones are healed."""
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._rng.uniform(0.3, 1.7) * pause):
                        await stop.wait()
                if not stop.is_set() and self._under_way < most and self._kinds:
                    self._under_way += 1
                    group.create_task(self._one(stop))

    async def _one(self, stop: asyncio.Event) -> None:
        """One fault: where there is nothing for a kind to hit, it is the turn of another."""
        try:
            for _ in self._kinds:
                if await self._happens(self._next()) or stop.is_set():
                    break
        finally:
            self._under_way -= 1

    def _next(self) -> str:
        """All kinds come, in another order each time."""
        if not self._bag:
            self._bag = self._rng.sample(self._kinds, len(self._kinds))
        return self._bag.pop()

    async def _happens(self, kind: str) -> bool:
        scene = Scene(self._rig, random.Random(self._rng.getrandbits(64)), self._history)
        begun = asyncio.get_running_loop().time()
        self._history.note("fault begins", kind=kind)
        hit = 0
        try:
            with suppress(Skipped):
                hit = await KINDS[kind](scene)
            if not hit:
                self._history.note("fault skipped", kind=kind)
                return False
            self.count[kind] += 1
        except Exception as error:
            # What it did before is done.
            self.broken.append(f"{kind} {scene.detail}: {type(error).__name__} {error}")
        seconds = round(asyncio.get_running_loop().time() - begun, 2)
        touches = sorted(scene.touches)
        self._history.note("fault", kind=kind, seconds=seconds, hit=hit, touches=touches, **scene.detail)
        return True
