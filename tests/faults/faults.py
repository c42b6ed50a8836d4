"""What breaks, how, and for how long. Each kind is a function of the rig that returns when it is healed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import redis.asyncio
import redis.exceptions

from tests.faults.history import History
from tests.faults.proxy import Link
from tests.faults.rig import TIMES, Member, Rig

# What an administrator meets whose server another fault has in hand.
_UNREACHABLE = (ConnectionError, asyncpg.PostgresError, redis.exceptions.RedisError)
_LEASE = TIMES["lease"].total_seconds()


class Skipped(Exception):
    """Nothing is there that this could happen to: it is in the hands of another fault."""


class Scene:
    """A fault's view of the rig: it takes what it harms in hand, so that no two faults restart the same process."""

    def __init__(self, rig: Rig, rng: random.Random, note: Callable[..., None]) -> None:
        self.rig = rig
        self.rng = rng
        self._note = note
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

    def links(self, *prefixes: str) -> list[Link]:
        """The links to a kind of server; one or all of them."""
        prefix = self.rng.choice(prefixes)
        found = [link for link in self.rig.links if link.name.startswith(prefix)]
        chosen = found if self.rng.random() < 0.25 else [self.rng.choice(found)]
        self.touches.update(link.name for link in chosen)
        self.tell(target=prefix if len(chosen) > 1 else chosen[0].name)
        return chosen

    def share(self) -> Callable[[], bool]:
        """Chooses connections: some, or all."""
        share = self.rng.choice([0.3, 0.6, 1.0])
        return lambda: self.rng.random() < share

    async def last(self, least: float, most: float) -> None:
        """The fault goes on for some time."""
        await asyncio.sleep(self.rng.uniform(least, most))


Fault = Callable[[Scene], Awaitable[None]]

_NETWORK = ("postgres<", "redis<", "grpc>")


def _kills(part: str) -> Fault:
    async def kill(scene: Scene) -> None:
        async with scene.some(part) as member:
            member.signal(signal.SIGKILL)
            await scene.last(0, 1.5)
            await member.restart()

    return kill


async def kill_executor(scene: Scene) -> None:
    """The supervisor sees it and starts another."""
    async with scene.some("worker") as member:
        executors = member.executors()
        if not executors:
            raise Skipped
        scene.tell(executor=executors[0].pid)
        with suppress(ProcessLookupError):
            os.kill(executors[0].pid, signal.SIGKILL)


def _stops(part: str, least: float, most: float, *, supervisor: bool = True, executors: bool = False) -> Fault:
    async def stop(scene: Scene) -> None:
        async with scene.some(part) as member:
            pids = member.signal(signal.SIGSTOP, supervisor=supervisor, executors=executors)
            scene.tell(stopped=pids)
            try:
                await scene.last(least, most)
            finally:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)

    return stop


def _drains(part: str) -> Fault:
    async def drain(scene: Scene) -> None:
        async with scene.some(part) as member:
            scene.tell(drained=[child.pid for child in member.executors()] + [member.pid])
            member.signal(signal.SIGTERM)
            await member.process.wait()
            await member.restart()

    return drain


async def roll_out(scene: Scene) -> None:
    """A worker of another version comes, an old one is drained: for a while two versions serve."""
    rig = scene.rig
    numbers = [int(member.name.partition("-")[2]) for member in rig.of("worker")]
    version = "2" if len(numbers) % 2 else "1"
    version = scene.rng.choice(["2", "3", version])
    async with scene.some("worker") as old:
        new = await rig.member(f"worker-{max(numbers) + 1}", version=version)
        scene.touches.add(new.name)
        scene.tell(version=version, new=new.name, drained=[child.pid for child in old.executors()] + [old.pid])
        await scene.last(0.5, 2)
        await old.stack.end()
        del rig.members[old.name]
        for link in (old.postgres, old.redis):
            rig.links.remove(link)
            await link.close()


async def restart_postgres(scene: Scene) -> None:
    """An immediate stop: no connection is told, and what was not committed is gone."""
    async with _server(scene, "postgres") as server:
        os.kill(server.pid, signal.SIGQUIT)
        await _gone(server)
        await scene.last(0, 3)
        await server.start()


async def end_sessions(scene: Scene) -> None:
    """An administrator ends all sessions of Postgres."""
    connection = await asyncpg.connect(scene.rig.postgres.uri, timeout=3)
    scene.touches.add("postgres")
    try:
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'runwire-%' AND random() < $1",
            scene.rng.choice([0.3, 1.0]),
        )
        scene.tell(ended=ended)
    finally:
        await connection.close()


async def kill_redis(scene: Scene) -> None:
    """It is dead for a while."""
    async with _server(scene, "redis") as server:
        os.kill(server.pid, signal.SIGKILL)
        await _gone(server)
        await scene.last(0, 4)
        await server.start()


def _tells_redis(*commands: Sequence[str]) -> Fault:
    async def tell(scene: Scene) -> None:
        scene.touches.add("redis")
        async with redis.asyncio.from_url(scene.rig.redis.uri) as client:
            for command in commands:
                answer = await client.execute_command(*command)  # type: ignore[no-untyped-call]
                scene.tell(answer=str(answer))

    return tell


async def reset(scene: Scene) -> None:
    """RST on connections."""
    scene.tell(connections=sum(link.reset(scene.share()) for link in scene.links(*_NETWORK)))


async def half_open(scene: Scene) -> None:
    """One end is gone and the other does not know."""
    links = scene.links(*_NETWORK)
    scene.tell(connections=sum(link.half_open(scene.share(), scene.rng) for link in links))
    await scene.last(2, 6)


async def cut(scene: Scene) -> None:
    """An answer breaks off in the middle."""
    size = scene.rng.randint(1, 4000)
    scene.tell(connections=sum(link.cut_after(scene.share(), size) for link in scene.links(*_NETWORK)), after=size)


async def lose_answer(scene: Scene) -> None:
    """What was asked for is done, and whoever asked hears of an error."""
    links = scene.links("postgres<worker", "postgres<", "grpc>", "redis<")
    for link in links:
        link.weather.lossy = scene.rng.choice([0.01, 0.03, 0.1])
    await scene.last(1, 4)
    for link in links:
        link.weather.lossy = 0.0


def _weather(change: Callable[[Link, random.Random], None], least: float, most: float) -> Fault:
    async def weather(scene: Scene) -> None:
        links = scene.links(*_NETWORK)
        for link in links:
            change(link, scene.rng)
        try:
            await scene.last(least, most)
        finally:
            for link in links:
                link.calm()

    return weather


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
    "flush redis": _tells_redis(["FLUSHALL"]),
    "kill pubsub clients": _tells_redis(["CLIENT", "KILL", "TYPE", "pubsub"]),
    "kill redis clients": _tells_redis(["CLIENT", "KILL", "TYPE", "normal"], ["CLIENT", "KILL", "TYPE", "pubsub"]),
    "reset": reset,
    "half open": half_open,
    "cut": cut,
    "lose answer": lose_answer,
    "delay": _weather(_delay, 2, 6),
    "black hole": _weather(_lose, 2, 7),
    "hold": _weather(_hold, 1, 6),
    "refuse connections": _weather(_refuse, 0.5, 4),
}
"""Every kind by its name."""


class Breaker:
    """Lets faults happen, at random moments, several at once."""

    def __init__(self, rig: Rig, history: History, rng: random.Random, kinds: Sequence[str]) -> None:
        self._rig = rig
        self._history = history
        self._rng = rng
        self._kinds = list(kinds)
        self._bag: list[str] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self.count: Counter[str] = Counter()
        self.broken: list[str] = []
        """Faults that failed by themselves: the campaign's own mistakes, or processes that did not come back."""

    async def run(self, pause: float, stop: asyncio.Event, *, most: int = 4) -> None:
        """A fault each `pause` seconds in the mean, until `stop`; then the last ones are healed."""
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._rng.uniform(0.3, 1.7) * pause):
                    await stop.wait()
            if not stop.is_set() and len(self._under_way) < most and self._kinds:
                task = asyncio.create_task(self._one(self._next()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.wait(self._under_way)

    def _next(self) -> str:
        """All kinds come, in another order each time."""
        if not self._bag:
            self._bag = self._rng.sample(self._kinds, len(self._kinds))
        return self._bag.pop()

    async def _one(self, kind: str) -> None:
        scene = Scene(self._rig, random.Random(self._rng.getrandbits(64)), self._history.note)
        begun = asyncio.get_running_loop().time()
        self._history.note("fault begins", kind=kind)
        try:
            await KINDS[kind](scene)
        except (Skipped, *_UNREACHABLE):
            self._history.note("fault skipped", kind=kind)
            return
        except Exception as error:
            self.broken.append(f"{kind} {scene.detail}: {type(error).__name__} {error}")
        self.count[kind] += 1
        seconds = round(asyncio.get_running_loop().time() - begun, 2)
        self._history.note("fault", kind=kind, seconds=seconds, touches=sorted(scene.touches), **scene.detail)


@asynccontextmanager
async def _server(scene: Scene, name: str) -> AsyncIterator[Any]:
    """Postgres or Redis, unless another fault has it in hand."""
    rig = scene.rig
    if name in rig.servers_in_hand:
        raise Skipped
    rig.servers_in_hand.add(name)
    scene.touches.add(name)
    scene.tell(target=name)
    try:
        yield getattr(rig, name)
    finally:
        rig.servers_in_hand.discard(name)


async def _gone(server: Any) -> None:
    async with asyncio.timeout(20):
        while server.pid is not None:
            await asyncio.sleep(0.02)
