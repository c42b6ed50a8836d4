"""Readers of streams: they join at any moment, read fast or slowly, leave, and come back to another replica."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from runwire.api.stream.v1 import stream_pb2
from tests.faults.calls import Calls, reason_of
from tests.faults.load import Running
from tests.faults.reading import Reading

_PATIENCE_SECONDS = 150.0
_KEPT = 12


class Followers:
    """A crowd of them. `share` of them join runs that run; the shorter their `attention`, the sooner they leave."""

    def __init__(
        self, calls: Calls, rng: random.Random, running: Running, *, share: float = 0.8, attention: int = 40
    ) -> None:
        self._calls = calls
        self._rng = rng
        self._running = running
        self._share = share
        self._attention = attention
        self.joins = 0
        self.joins_of_running = 0
        self.events = 0

    async def follow(self, count: int, stop: asyncio.Event) -> None:
        """`count` readers, each of one run after another, until `stop`; what they have begun they read to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self._one(random.Random(self._rng.getrandbits(64)), stop))

    async def _one(self, rng: random.Random, stop: asyncio.Event) -> None:
        while not stop.is_set():
            run_id = self._running.choose(rng, self._share)
            if run_id is not None:
                await self.read(Reading(run_id), rng, stop)
            await asyncio.sleep(rng.uniform(0, 0.3))

    async def read(self, reading: Reading, rng: random.Random, stop: asyncio.Event, *, restless: bool = True) -> None:
        """Reads a run to its end, over as many streams as that takes, or leaves early where it is `restless`."""
        at, until = time.time_ns(), time.monotonic() + _PATIENCE_SECONDS
        ends: list[str] = []
        broken: list[tuple[int, int]] = []
        slow = left = False
        last = at
        while reading.finished is None and not left and time.monotonic() < until:
            may_leave = restless and not stop.is_set()
            slow, last = may_leave and rng.random() < 0.2, time.time_ns()
            answer = await self._session(reading, rng, may_leave, slow)
            ends.append(answer)
            if answer == "left":
                left = rng.random() < 0.25
                await asyncio.sleep(rng.uniform(0, 0.5))
            elif answer not in ("OK", "passing"):
                break
            elif answer == "passing":
                broken.append((last, time.time_ns()))
                await asyncio.sleep(rng.uniform(0.05, 0.5))
        self.events += reading.events
        entry = reading.entry()
        self._calls.history.note(
            "read",
            at=at,
            left=left,
            ends=_shortened(ends),
            broken=broken[-_KEPT:],
            last=last,
            slow=slow,
            replay=not restless,
            **entry,
        )

    async def _session(self, reading: Reading, rng: random.Random, restless: bool, slow: bool) -> str:
        """One stream; the answer is how it ended: "OK", "left", "passing", or a definite error."""
        request = stream_pb2.StreamRunRequest(run_id=reading.run_id, after_event_id=reading.last_id)
        # What a careful client sets, so that a stream through a dead network ends.
        request.heartbeat_interval.FromMilliseconds(1000)
        call = self._calls.one("stream").StreamRun(request, timeout=120, metadata=self._calls.metadata)
        leaves_after = rng.randint(1, self._attention) if restless and rng.random() < 0.5 else None
        pause = rng.uniform(0.01, 0.2) if slow else 0.0
        try:
            taken = 0
            async for response in self._responses(call, reading.run_id):
                for event in response.events:
                    reading.take(event)
                    taken += 1
                if leaves_after is not None and taken >= leaves_after and reading.finished is None:
                    return "left"
                if pause:
                    await asyncio.sleep(pause)
            code = await call.code()
            if code == grpc.StatusCode.OK:
                return "OK" if reading.finished else "OK without finished"
            raise grpc.aio.AioRpcError(
                code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
            )
        except TimeoutError:
            return "passing"
        except grpc.aio.AioRpcError as error:
            if self._calls.is_passing("StreamRun", error):
                return "passing"
            return f"{error.code().name} {reason_of(error)}".strip()
        finally:
            call.cancel()

    async def _responses(self, call: Any, run_id: str) -> AsyncIterator[stream_pb2.StreamRunResponse]:
        """A stream's responses. With the first of them the run is joined."""
        joined = False
        while True:
            async with asyncio.timeout(8):
                response = await call.read()
            if response is grpc.aio.EOF:
                return
            if not joined:
                joined = True
                self.joins += 1
                self.joins_of_running += self._running.is_active(run_id)
            yield response


def _shortened(ends: list[str]) -> list[str]:
    """Not all of the times that a stream broke."""
    half = _KEPT // 2
    return ends if len(ends) <= _KEPT else [*ends[:half], f"{len(ends) - _KEPT} more", *ends[-half:]]
