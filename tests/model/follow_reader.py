"""A reader of one run: it joins, reads fast or slowly, goes away and comes back with the last event's id."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from runwire.api.stream.v1.stream_pb2 import RunEvent
from runwire.core.errors import EventsExpired, RunNotFound
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.stream import position
from runwire.stream.batch import Batch, frames
from runwire.stream.fanout import Fanout, LiveQueue
from runwire.stream.follow import Follower, Plan
from runwire.stream.log import Log
from runwire.stream.position import Position
from runwire.stream.selection import Selection
from tests.model.virtual_loop import VirtualLoop

SELECTION = Selection()


@dataclass(slots=True)
class Received:
    """One event as it reached the reader."""

    at: float
    kind: str
    id: Position
    event: RunEvent
    raw: bytes


@dataclass(slots=True)
class Visit:
    """One call: when it begins, after how long the reader goes (None: it stays), how long it takes for a response."""

    pause: float
    stays: float | None
    reads_in: float
    heartbeat: float
    limit: int
    began_at: float = 0.0
    joined_at: float | None = None
    ended_at: float | None = None
    token: Position = position.START
    received: list[Received] = field(default_factory=list)
    outcome: str = ""
    overflowed: bool = False
    largest_queue: int = 0


class WatchedQueue(LiveQueue):
    """Tells its visit how large it became."""

    visit: Visit

    def take(self, batch: Batch | None) -> None:
        super().take(batch)
        self.visit.largest_queue = max(self.visit.largest_queue, self.size)
        self.visit.overflowed |= self._overflowed


class SimulatedReader:
    """Its visits, one after another."""

    follower = Follower
    queue = WatchedQueue

    def __init__(
        self,
        name: str,
        loop: VirtualLoop,
        postgres: Any,
        fanout: Fanout,
        run_id: UUID,
        visits: list[Visit],
        *,
        asks_again: bool = True,
    ) -> None:
        self._loop = loop
        self._log = Log(postgres, DEFAULT_TENANT, run_id)
        self._fanout = fanout
        self.name = name
        self.visits = visits
        self.newest = ""
        # Without a log nobody can tell that it was the end after which a reader asks.
        self._asks_again = asks_again
        self._has_end = False

    async def read(self) -> None:
        """Until the stream has come to its end, or an error that says what the matter is."""
        for visit in self.visits:
            await asyncio.sleep(visit.pause)
            visit.began_at = self._loop.time()
            self._loop.note("reader comes", self.name, self.newest)
            visit.token = position.parse(self.newest)
            reading = asyncio.create_task(self._visit(visit), name="reader")
            if visit.stays is None:
                await reading
            else:
                await asyncio.wait([reading], timeout=visit.stays)
                reading.cancel()
                await asyncio.wait([reading])
                if not reading.cancelled():
                    reading.result()
            visit.ended_at = self._loop.time()
            self._loop.note("reader leaves", self.name, visit.outcome or "broken off")
            if visit.outcome in ("finished", "expired", "not found") or (self._has_end and not self._asks_again):
                return

    async def _visit(self, visit: Visit) -> None:
        try:
            await self.follow(visit)
            visit.outcome = "finished"
        except EventsExpired:
            visit.outcome = "expired"
        except RunNotFound:
            visit.outcome = "not found"
        except ConnectionError:
            visit.outcome = "unavailable"

    async def follow(self, visit: Visit) -> None:
        """As StreamRun does it."""
        queue = self.queue(visit.limit)
        queue.visit = visit
        async with self._fanout.join(RunKey(DEFAULT_TENANT, self._log.run_id), queue) as channel:
            visit.joined_at = self._loop.time()
            self._loop.note("reader has joined", self.name)
            await self.read_from(self.follower(self._log, queue, channel, self.plan(visit)), visit)

    def plan(self, visit: Visit) -> Plan:
        """What the servicer would make of the call."""
        return Plan(after=visit.token, selection=SELECTION, heartbeat=visit.heartbeat, flush=0.2, poll=2.0)

    async def read_from(self, follower: Follower, visit: Visit) -> None:
        """Takes the responses at the reader's pace."""
        async with aclosing(follower.responses()) as responses:
            async for response in responses:
                self._receive(response, visit)
                if visit.reads_in:
                    await asyncio.sleep(visit.reads_in)

    def _receive(self, response: bytes, visit: Visit) -> None:
        for frame in frames(response):
            event = RunEvent.FromString(response[frame.body : frame.end])
            kind = event.WhichOneof("payload") or ""
            raw = response[frame.start : frame.end]
            visit.received.append(Received(self._loop.time(), kind, position.parse(event.event_id), event, raw))
            self.newest = event.event_id
            self._has_end |= kind == "finished"
            self._loop.note("received", self.name, kind, event.event_id)
