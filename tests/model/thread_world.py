"""A thread with several runs, and readers of the thread: a story that a seed decides."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from runwire.api.stream.v1.stream_pb2 import RunEvent
from runwire.core.errors import EventsExpired
from runwire.core.ids import DEFAULT_TENANT
from runwire.stream import thread_position
from runwire.stream.fanout import Fanout, Wake
from runwire.stream.follow import Plan
from runwire.stream.follow_thread import ThreadFollower
from runwire.stream.position import START
from runwire.stream.selection import Selection
from runwire.stream.thread_log import ThreadLog
from tests.model.follow_world import LIMIT, SETTINGS, virtual_time
from tests.model.simulated_postgres import RunRow, SimulatedPostgres
from tests.model.simulated_redis import KEYS, SimulatedBus, SimulatedRedis
from tests.model.simulated_worker import Emitted, Worker, script
from tests.model.virtual_loop import Stuck, VirtualLoop
from tests.model.weather import Weather, forecast

THREAD = "t"
_CHANNEL = KEYS.thread(DEFAULT_TENANT, THREAD)


@dataclass(eq=False)
class Told:
    """One reader: what it got, and since when it may expect everything."""

    name: str
    events: list[RunEvent] = field(default_factory=list)
    began_at: float = 0.0
    joined_at: float | None = None
    newest: str = ""


@dataclass(eq=False)
class ThreadStory:
    """What happened."""

    weather: Weather
    runs: list[RunRow] = field(default_factory=list)
    created_at: dict[UUID, float] = field(default_factory=dict)
    removed: set[UUID] = field(default_factory=set)
    emitted: dict[UUID, Emitted] = field(default_factory=dict)
    readers: list[Told] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    journal: list[tuple[float, str, tuple[object, ...]]] = field(default_factory=list)


def tell(seed: int) -> ThreadStory:
    """Plays a seed's story."""
    rng = random.Random(seed)
    loop = VirtualLoop(random.Random(rng.random()))
    with virtual_time(loop, seed):
        world = ThreadWorld(rng, loop)
        world.story.journal, world.story.failures = loop.journal, loop.failures
        try:
            loop.run(world.play(), limit=LIMIT)
        except Stuck as stuck:
            world.story.failures.append(f"hangs: {stuck}")
        except Exception as error:
            world.story.failures.append(f"breaks: {error!r}")
        return world.story


class ThreadWorld:
    """Plays one story."""

    def __init__(self, rng: random.Random, loop: VirtualLoop) -> None:
        self._rng = rng
        self._loop = loop
        self.story = ThreadStory(forecast(rng))
        self.postgres = SimulatedPostgres(loop, random.Random(rng.random()), self.story.weather)
        self.redis = SimulatedRedis(loop, random.Random(rng.random()), self.story.weather)
        self.bus = SimulatedBus(self.redis)

    async def play(self) -> None:
        """Until all runs have ended, and every reader has had time to hear of it."""
        rng = self._rng
        async with Fanout(self.bus) as live:  # type: ignore[arg-type]
            readings = []
            for number in range(rng.choice([1, 2, 2, 3])):
                told = Told(f"reader {number}")
                self.story.readers.append(told)
                readings.append(asyncio.create_task(self._read(told, live), name="reading"))
            lives = []
            for number in range(1, rng.choice([2, 3, 4]) + 1):
                await asyncio.sleep(rng.choice([0.0, rng.random(), rng.random() * 2]))
                lives.append(asyncio.create_task(self._live(self._create(number)), name="life"))
            for each in lives:
                await each
            self.postgres.is_calm = True
            await asyncio.sleep(20)
            for reading in readings:
                if reading.done():
                    reading.result()
                reading.cancel()
                await asyncio.wait([reading])

    def _create(self, number: int) -> RunRow:
        run = RunRow(UUID(int=number), thread_id=THREAD)
        self.postgres.create(run)
        self.story.runs.append(run)
        self.story.created_at[run.run_id] = self._loop.time()
        self.story.emitted[run.run_id] = {}
        self._tell_thread(run)
        return run

    def _tell_thread(self, run: RunRow) -> None:
        asyncio.ensure_future(self.bus.publish([(_CHANNEL, str(run.run_id).encode())]))  # noqa: RUF006

    async def _live(self, run: RunRow) -> None:
        rng = self._rng
        gives_up_at = self._loop.time() + (rng.random() * 2 if rng.random() < 0.3 else 1000)
        while run.run_id in self.postgres.runs and run.finished_at is None:
            while not run.ready and run.finished_at is None:
                await asyncio.sleep(0.02)
                if self._loop.time() > gives_up_at:
                    self._cancel(run)
                    return
            # A claim is seen some time after the moment that it bears.
            began_at = self._loop.time()
            await asyncio.sleep(rng.choice([0.0, 0.003, rng.random()]))
            await self._attempt(run, self.postgres.claim_run(run, began_at))

    async def _attempt(self, run: RunRow, claim: int) -> None:
        rng = self._rng
        worker = Worker(self.postgres, self.bus, SETTINGS, run, claim, self.story.emitted[run.run_id])
        task = worker.begin(script(rng, rng.choice([0, 1, 3, 6])))
        if rng.random() < 0.25 and claim < 3:
            await asyncio.wait([task], timeout=rng.random())
            if rng.random() < 0.5:
                worker.kill()
            self.postgres.release(run, claim)
        elif rng.random() < 0.2:
            await asyncio.wait([task], timeout=rng.random())
            self._cancel(run)
            worker.cancel()
            await asyncio.wait([task])
        else:
            await asyncio.wait([task])
            task.result()
            if run.finished_at is not None and rng.random() < 0.1:
                await asyncio.sleep(rng.random())
                self.postgres.remove(run)
        if run.run_id not in self.postgres.runs:
            self.story.removed.add(run.run_id)

    def _cancel(self, run: RunRow) -> None:
        was_pending = run.status == "pending"
        self.postgres.cancel(run, self._rng.choice(["interrupt", "interrupt", "rollback"]))
        if run.run_id not in self.postgres.runs:
            self.story.removed.add(run.run_id)
        if was_pending:
            self._tell_thread(run)

    # Reading

    async def _read(self, told: Told, live: Fanout) -> None:
        rng = self._rng
        await asyncio.sleep(rng.choice([0.0, rng.random() * 3]))
        for _ in range(rng.choice([0, 0, 1, 3])):
            visit = asyncio.create_task(self._visit(told, live), name="visit")
            await asyncio.wait([visit], timeout=rng.random() * 2)
            visit.cancel()
            await asyncio.wait([visit])
            await asyncio.sleep(rng.choice([0.0, rng.random()]))
        while True:
            await self._visit(told, live)
            await asyncio.sleep(0.3)

    async def _visit(self, told: Told, live: Fanout) -> None:
        woken = asyncio.Event()
        after = thread_position.parse(told.newest)
        if after is None:
            told.began_at, told.joined_at = self._loop.time(), None
        self._loop.note("reader comes", told.name, told.newest)
        plan = Plan(after=START, selection=Selection(), heartbeat=1.5, flush=0.2, poll=2.0)
        try:
            async with live.join_thread(DEFAULT_TENANT, THREAD, Wake(woken)) as channel:
                log = ThreadLog(self.postgres, DEFAULT_TENANT, THREAD)
                follower = ThreadFollower(log, live, channel, woken, plan=plan, after=after, buffer_bytes=3000)
                await follower.start()
                if told.joined_at is None:
                    told.joined_at = self._loop.time()
                async with aclosing(follower.responses()) as responses:
                    async for response in responses:
                        self._receive(told, list(response.events))
                        await asyncio.sleep(self._rng.choice([0.0, 0.0, 0.1]))
        except (ConnectionError, EventsExpired) as error:
            self._loop.note("reader fails", told.name, repr(error))

    def _receive(self, told: Told, events: list[RunEvent]) -> None:
        for event in events:
            told.events.append(event)
            told.newest = event.event_id
            self._loop.note("received", told.name, event.WhichOneof("payload"), event.event_id)
