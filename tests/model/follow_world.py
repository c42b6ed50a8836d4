"""One run, its workers and its readers: a story that a seed decides."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from uuid import UUID

from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.settings import Settings
from runwire.stream.batch import parse
from runwire.stream.fanout import Fanout
from runwire.stream.position import derived_end
from tests.model.follow_reader import SimulatedReader, Visit
from tests.model.simulated_postgres import RunRow, SimulatedPostgres
from tests.model.simulated_redis import KEYS, SimulatedBus, SimulatedRedis
from tests.model.simulated_worker import Emitted, Worker, script
from tests.model.virtual_loop import Stuck, VirtualLoop
from tests.model.weather import Weather, forecast

SETTINGS = Settings(event_flush_interval=timedelta(seconds=0.2))
# No story is longer; what goes on then hangs.
LIMIT = 120.0
RUN_ID = UUID(int=1)
CHANNEL = KEYS.events(RunKey(DEFAULT_TENANT, RUN_ID))


@dataclass(eq=False)
class Story:
    """What happened."""

    seed: int
    weather: Weather
    run: RunRow
    emitted: Emitted = field(default_factory=dict)
    readers: list[SimulatedReader] = field(default_factory=list)
    heard: list[tuple[float, int, int]] = field(default_factory=list)
    """What was published: when, and each event's claim and number."""
    logged_at: dict[tuple[int, int], float] = field(default_factory=dict)
    final_log: list[tuple[int, int]] = field(default_factory=list)
    log_bytes: dict[int, bytes] = field(default_factory=dict)
    """What the log had in the end: its events' places, and the bytes of each claim."""
    finished_by: int | None = None
    """The claim that ended the run with its last events."""
    removed: bool = False
    expired_at: float | None = None
    ends: list[tuple[int, int]] = field(default_factory=list)
    """Ids that `finished` may have."""
    failures: list[str] = field(default_factory=list)
    journal: list[tuple[float, str, tuple[object, ...]]] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


def tell(seed: int, reader: type[SimulatedReader] = SimulatedReader, fanout: type[Fanout] = Fanout) -> Story:
    """Plays a seed's story."""
    rng = random.Random(seed)
    loop = VirtualLoop(random.Random(rng.random()))
    with virtual_time(loop, seed):
        world = World(seed, rng, loop)
        world.story.journal = loop.journal
        world.story.failures = loop.failures
        try:
            loop.run(world.play(reader, fanout), limit=LIMIT)
        except Stuck as stuck:
            world.story.failures.append(f"hangs: {stuck}")
        except Exception as error:
            world.story.failures.append(f"breaks: {error!r}")
        return world.story


@contextmanager
def virtual_time(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """Whoever looks at a clock or throws dice while a story is told gets the story's."""
    dice = random.getstate()
    random.seed(seed)
    clock = SimpleNamespace(monotonic=loop.time, time_ns=lambda: 10**18 + int(loop.time() * 1e9))
    with (
        patch("tenacity.time", clock),
        patch("runwire.worker.events.time", clock),
        # Small pages and packs, so that short stories have several.
        patch("runwire.stream.log._PAGE_BATCHES", 3),
        patch("runwire.worker.outbox._PACK_BYTES", 400),
    ):
        try:
            yield
        finally:
            random.setstate(dice)


class RecordingPostgres(SimulatedPostgres):
    """Notes when an event could first be read."""

    story: Story

    def note(self) -> None:
        run, now = self.story.run, self._loop.time()
        for (claim, first), (last, _) in run.events.items():
            for seq in range(first, last + 1):
                self.story.logged_at.setdefault((claim, seq), now)

    def log_events(self, *columns: list[object]) -> None:
        super().log_events(*columns)
        self.note()

    def end(self, run: RunRow, status: str, error_type: str | None) -> None:
        super().end(run, status, error_type)
        self.note()

    def finish(self, run_id: UUID, claim: int, status: str, error_type: str | None, last: Any) -> str:
        outcome = super().finish(run_id, claim, status, error_type, last)
        if outcome == "finished" and last is not None:
            self.story.finished_by = claim
        return outcome


class World:
    """Plays one story."""

    def __init__(self, seed: int, rng: random.Random, loop: VirtualLoop) -> None:
        self._rng = rng
        self._loop = loop
        self.story = Story(seed, forecast(rng), RunRow(RUN_ID, event_log=rng.random() < 0.8))
        weather = self.story.weather
        self.postgres = RecordingPostgres(loop, random.Random(rng.random()), weather)
        self.postgres.story = self.story
        self.redis = SimulatedRedis(loop, random.Random(rng.random()), weather)
        self.bus = SimulatedBus(self.redis)
        self.postgres.runs[RUN_ID] = self.story.run

    async def play(self, reader: type[SimulatedReader], fanout: type[Fanout]) -> None:
        """Until every reader has come to its end."""
        rng = self._rng
        async with fanout(self.bus) as live:  # type: ignore[arg-type]
            for number in range(rng.choice([1, 2, 3])):
                name, has_log = f"reader {number}", self.story.run.event_log
                self.story.readers.append(
                    reader(name, self._loop, self.postgres, live, RUN_ID, visits(rng), asks_again=has_log)
                )
            readings = [asyncio.create_task(each.read(), name="reading") for each in self.story.readers]
            await self._live()
            await self._afterwards()
            self.postgres.is_calm = True
            for reading in readings:
                await reading
        await asyncio.sleep(10)
        self.story.heard = [
            (at, batch.claim, seq)
            for at, _, message in self.redis.published
            if message
            for batch in [parse(message)]
            for seq in range(batch.first_seq, batch.last_seq + 1)
        ]
        self.story.ends = [derived_end(self.story.run.claim), *self.story.final_log[-1:]]
        self.story.leftovers = [t.get_name() for t in self._loop.unfinished if t is not asyncio.current_task()]

    async def _live(self) -> None:
        """The run, from its creation to its end."""
        rng, run = self._rng, self.story.run
        await asyncio.sleep(rng.choice([0.0, rng.random()]))
        attempts = rng.choice([1, 1, 1, 2, 3])
        for number in range(1, attempts + 1):
            if rng.random() < 0.1:
                await self._cancel()
            if run.finished_at is not None or run.run_id not in self.postgres.runs:
                break
            await self._attempt(is_last=number == attempts)
            await asyncio.sleep(rng.choice([0.0, 0.01, rng.random()]))
        if run.run_id in self.postgres.runs and run.finished_at is None:
            self.postgres.cancel(run, "interrupt")
            await self.bus.publish([(CHANNEL, b"")])

    async def _attempt(self, *, is_last: bool) -> None:
        rng, run = self._rng, self.story.run
        claim = self.postgres.claim_run(run)
        worker = Worker(self.postgres, self.bus, SETTINGS, run, claim, self.story.emitted)
        task = worker.begin(script(rng, rng.choice([0, 1, 3, 6, 10, 20])))
        ends = ["end", "end", "end", "cancel", "kill"] if is_last else ["kill", "kill", "lose", "lose", "cancel"]
        match rng.choice(ends):
            case "end":
                await asyncio.wait([task])
                task.result()
                return
            case "cancel":
                await asyncio.wait([task], timeout=rng.random() * 1.2)
                await self._cancel()
                worker.cancel()
                await asyncio.wait([task], timeout=rng.uniform(0, 1))
            case "kill":
                await asyncio.wait([task], timeout=rng.random() * 1.2)
                worker.kill()
            case _:
                # It goes on for a while without knowing that it has lost the run.
                await asyncio.wait([task], timeout=rng.random() * 0.5)
        await asyncio.sleep(rng.choice([0.0, 0.0, rng.random()]))
        if is_last and rng.random() < 0.3:
            self.postgres.finish(RUN_ID, claim, "timeout", "RunTimeout", None)
        self.postgres.release(run, claim)
        if rng.random() < 0.5:
            await self.bus.publish([(CHANNEL, b"")])

    async def _cancel(self) -> None:
        run = self.story.run
        was_pending = run.status == "pending"
        self.postgres.cancel(run, self._rng.choice(["interrupt", "interrupt", "rollback"]))
        if was_pending:
            await self.bus.publish([(CHANNEL, b"")])

    async def _afterwards(self) -> None:
        rng, run = self._rng, self.story.run
        for (claim, first), (last, events) in sorted(run.events.items()):
            self.story.final_log += [(claim, seq) for seq in range(first, last + 1)]
            self.story.log_bytes[claim] = self.story.log_bytes.get(claim, b"") + events
        self.story.removed = run.run_id not in self.postgres.runs
        fate = rng.random()
        if fate < 0.1 and run.event_log:
            await asyncio.sleep(rng.random() * 5)
            self.postgres.expire(run)
            self.story.expired_at = self._loop.time()
        elif fate < 0.15:
            await asyncio.sleep(rng.random() * 5)
            self.postgres.remove(run)
            self.story.removed = True


def visits(rng: random.Random) -> list[Visit]:
    """Some that are broken off, and one that stays to the end."""
    pace = rng.choice([0.0, 0.0, 0.05, 0.3, 0.8])
    limit = rng.choice([1500, 3000, 10_000, 100_000])
    begin = rng.choice([0.0, rng.random(), rng.random(), rng.random() * 4])

    def visit(pause: float, stays: float | None) -> Visit:
        return Visit(pause, stays, rng.choice([0.0, pace]), rng.choice([1.0, 2.5, 15.0]), limit)

    several = [visit(0.0, rng.random() * 1.5) for _ in range(rng.choice([0, 0, 0, 1, 2, 3]))]
    for each in several:
        each.pause = rng.choice([0.0, 0.01, rng.random()])
    several.append(visit(rng.choice([0.0, rng.random()]), None))
    several[0].pause += begin
    # A server that can't reach Postgres says so; the reader comes back.
    return several + [visit(0.5, None) for _ in range(8)]
