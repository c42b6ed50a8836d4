"""A reader that does not read, beside 200 that do: their lag and the Stream process's memory, with it and without.

Phases with and without it alternate, in another order each time, so that what the machine does meanwhile hits both.
Events are made, read and timed in this process alone.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import psutil

from runwire.api.stream.v1 import stream_pb2
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.settings import Settings
from tests.faults.rig import rigged
from tests.faults.scenarios.result import Result
from tests.stream.producer import Attempt, Producer

_RUNS, _READERS_OF_EACH = 20, 10
_EVENTS_A_SECOND = 5.0
_FLOOD_BYTES, _FLOOD_SECONDS = 50_000, 0.1
_PAIRS, _PHASE_SECONDS, _SETTLE_SECONDS = 10, 5.0, 2.5
_MORE_LAG, _MORE_MEGABYTES = 1.10, 5.0


class Lags:
    """Seconds from an event's making to its arrival, by phase."""

    def __init__(self) -> None:
        self.now: list[float] | None = None

    def note(self, event: stream_pb2.RunEvent) -> None:
        """An event has arrived."""
        if self.now is not None and event.HasField("custom"):
            self.now.append(time.time() - event.event_time.ToNanoseconds() / 1e9)


async def run(seed: int, folder: Path) -> Result:
    """The lag at the 99th percentile grows by less than a tenth, the Stream process by less than 5 MB."""
    async with rigged(folder, ("stream-1",)) as rig, AsyncExitStack() as stack:
        member = rig.members["stream-1"]
        settings = Settings(database_uri=rig.postgres.uri, redis_uri=rig.redis.uri, redis_prefix=rig.redis_prefix)
        pool = await stack.enter_async_context(asyncpg.create_pool(rig.postgres.uri, min_size=1, max_size=8))
        producer = Producer(pool, await stack.enter_async_context(Bus(settings)), settings)
        lags, stop = Lags(), asyncio.Event()
        flooded = await _begin(producer, stack, stop, seed)
        stub = Stub(member.stack.address("stream-1"), rig.keys[DEFAULT_TENANT])
        for attempt in [*flooded.others, flooded.attempt]:
            for _ in range(_READERS_OF_EACH if attempt is not flooded.attempt else 1):
                await stack.enter_async_context(_reading(stub, attempt, lags))
        process = psutil.Process(member.pid)
        await asyncio.sleep(3)
        measured: dict[bool, list[list[float]]] = {False: [], True: []}
        grown: list[float] = []
        worked: dict[bool, float] = {False: 0.0, True: 0.0}
        rng = random.Random(seed)
        for _ in range(_PAIRS):
            for stalled in rng.sample([False, True], 2):
                before = process.memory_info().rss
                async with AsyncExitStack() as phase:
                    if stalled:
                        await phase.enter_async_context(_stalled(stub, flooded.attempt))
                    await asyncio.sleep(_SETTLE_SECONDS)
                    lags.now, began = [], _worked(process)
                    await asyncio.sleep(_PHASE_SECONDS)
                    measured[stalled].append(lags.now)
                    worked[stalled] += _worked(process) - began
                    lags.now = None
                    if stalled:
                        grown.append((process.memory_info().rss - before) / 1e6)
        stop.set()
    return _judged(measured, grown, worked)


class Flooded:
    """The run that the stalled reader reads, and those of all others."""

    def __init__(self, attempt: Attempt, others: list[Attempt]) -> None:
        self.attempt = attempt
        self.others = others


async def _begin(producer: Producer, stack: AsyncExitStack, stop: asyncio.Event, seed: int) -> Flooded:
    group = await stack.enter_async_context(asyncio.TaskGroup())
    attempts = [await producer.begin() for _ in range(_RUNS + 1)]
    for number, attempt in enumerate(attempts):
        await attempt.started()
        await stack.enter_async_context(attempt.flushing())
        pause = _FLOOD_SECONDS if number == 0 else 1 / _EVENTS_A_SECOND
        data = f'"{"x" * (_FLOOD_BYTES if number == 0 else 200)}"'
        group.create_task(_emit(attempt, pause, data, stop, random.Random(seed + number)))
    return Flooded(attempts[0], attempts[1:])


async def _emit(attempt: Attempt, pause: float, data: str, stop: asyncio.Event, rng: random.Random) -> None:
    while not stop.is_set():
        await attempt.custom(data)
        await asyncio.sleep(pause * rng.uniform(0.5, 1.5))


class Stub:
    """Streams on connections of their own."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {key}"),)

    @asynccontextmanager
    async def following(self, attempt: Attempt) -> AsyncIterator[Any]:
        """A stream of a run."""
        async with grpc.aio.insecure_channel(self._address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            request = stream_pb2.StreamRunRequest(run_id=str(attempt.run_id))
            call: Any = StreamServiceStub(channel).StreamRun(request, metadata=self._metadata)
            try:
                yield call
            finally:
                call.cancel()


@asynccontextmanager
async def _reading(stub: Stub, attempt: Attempt, lags: Lags) -> AsyncIterator[None]:
    async def read(call: Any) -> None:
        async for response in call:
            for event in response.events:
                lags.note(event)

    async with stub.following(attempt) as call:
        task = asyncio.create_task(read(call))
        try:
            yield
        finally:
            call.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def _stalled(stub: Stub, attempt: Attempt) -> AsyncIterator[None]:
    """A reader that has begun, and reads no further."""
    async with stub.following(attempt) as call:
        await call.read()
        yield


def _worked(process: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _judged(measured: dict[bool, list[list[float]]], grown: list[float], worked: dict[bool, float]) -> Result:
    lags = {stalled: [lag for phase in phases for lag in phase] for stalled, phases in measured.items()}
    without, beside = (_percentile_99(lags[stalled]) * 1000 for stalled in (False, True))
    paired = statistics.median(
        _percentile_99(b) / _percentile_99(a) for a, b in zip(measured[False], measured[True], strict=True)
    )
    figures = {
        "healthy readers": _RUNS * _READERS_OF_EACH,
        "pairs of phases": _PAIRS,
        "events timed": len(lags[False]) + len(lags[True]),
        "lag at the 99th percentile, without (ms)": round(without, 2),
        "lag at the 99th percentile, with (ms)": round(beside, 2),
        "growth, all events": f"{(beside / without - 1) * 100:+.1f} %",
        "growth, median of the pairs": f"{(paired - 1) * 100:+.1f} %",
        "each pair (ms)": " ".join(
            f"{_percentile_99(a) * 1000:.0f}/{_percentile_99(b) * 1000:.0f}"
            for a, b in zip(measured[False], measured[True], strict=True)
        ),
        "processor time of the Stream process, without and with (s)": f"{worked[False]:.2f} {worked[True]:.2f}",
        "memory of the Stream process, most (MB)": round(max(grown), 1),
    }
    misses = []
    if paired > _MORE_LAG:
        misses.append("the others' lag grew by a tenth and more")
    if max(grown) > _MORE_MEGABYTES:
        misses.append("the Stream process grew by 5 MB and more")
    return Result(figures=figures, misses=misses)


def _percentile_99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
