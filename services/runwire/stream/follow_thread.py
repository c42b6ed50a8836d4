"""Follows a thread for one reader: its runs, one after another, those to come as well.

The package's docstring tells how.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.stream.v1.stream_pb2 import GAP_REASON_LOST, Heartbeat, RunEvent, StreamThreadResponse
from runwire.core.errors import InvalidRequest, RunNotFound, Violation
from runwire.core.postgres import is_transient, persistently
from runwire.stream import position, thread_position
from runwire.stream.fanout import Channel, Fanout, LiveQueue, wait_for
from runwire.stream.follow import Follower, Plan
from runwire.stream.notices import Notices
from runwire.stream.position import START, Position
from runwire.stream.thread_log import BegunRun, NextRuns, ThreadLog
from runwire.stream.thread_position import ThreadPosition

_FIRST_LOOK_SECONDS = 5.0
_WAIT_FOR_POSTGRES = 0.5
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Joined:
    """A run that is listened to; `seat` is left when the reader is done with it."""

    run_id: UUID
    queue: LiveQueue
    channel: Channel
    seat: AsyncExitStack


class ThreadFollower:
    """One reader's way through a thread. `start` once, then iterate `responses` once."""

    def __init__(
        self,
        log: ThreadLog,
        fanout: Fanout,
        channel: Channel,
        woken: asyncio.Event,
        *,
        plan: Plan,
        after: ThreadPosition | None,
        buffer_bytes: int,
    ) -> None:
        """`woken` is set by what comes on the thread's `channel`; `plan` is that of each run."""
        self._log = log
        self._fanout = fanout
        self._channel = channel
        self._woken = woken
        self._plan = plan
        self._after = after
        self._buffer_bytes = buffer_bytes
        self._now = asyncio.get_running_loop().time
        self._sent_at = self._now()
        # The runs that began up to this moment have been told; None: not decided yet.
        self._told_until = after.began_at if after else None
        self._newest_id = thread_position.text(after) if after else ""
        self._newest_run = after.run_id if after else None
        self._joined: Joined | None = None

    async def start(self) -> None:
        """Decides where the stream begins. Raises ThreadNotFound."""
        look = await persistently(_FIRST_LOOK_SECONDS, self._log.next_runs, self._told_until)
        if self._told_until is None:
            active = [run.began_at - _MICROSECOND for run in look.begun]
            if look.next_run is not None and look.last_began_at is not None:
                # It may be being claimed with a time before now, in a transaction that can't be seen yet.
                active.append(look.last_began_at)
            self._told_until = min([look.now, *active])
            self._newest_id = thread_position.moment_id(self._told_until)

    async def responses(self) -> AsyncGenerator[StreamThreadResponse, None]:
        """Goes on until the reader leaves.

        Raises ThreadNotFound, EventsExpired, ServerDraining; InvalidRequest for an event id of something else.
        """
        try:
            async with aclosing(self._resumed()) as responses:
                async for response in responses:
                    yield response
            while True:
                self._channel.check_open()
                look = await self._look()
                for run in look.begun if look else ():
                    async with aclosing(self._follow(run)) as responses:
                        async for response in responses:
                            yield response
                if look is None or not look.begun:
                    await self._wait(look)
                    if self._now() >= self._sent_at + self._plan.heartbeat:
                        yield self._heartbeat()
        finally:
            await self._leave()

    async def _look(self) -> NextRuns | None:
        try:
            return await self._log.next_runs(self._told_until)
        except Exception as error:
            if is_transient(error):
                return None
            raise

    async def _wait(self, look: NextRuns | None) -> None:
        """Waits for a run to begin, for a poll or for a heartbeat. The run that will begin is listened to."""
        if look is None:
            await asyncio.sleep(min(self._plan.poll, _WAIT_FOR_POSTGRES))
            return
        if look.next_run is None:
            await self._leave()
        else:
            await self._join(look.next_run)
        await wait_for(self._woken, min(self._now() + self._plan.poll, self._sent_at + self._plan.heartbeat))

    # One run

    async def _resumed(self) -> AsyncGenerator[StreamThreadResponse, None]:
        """The rest of the run that the reader's event id is of."""
        after = self._after
        if after is None or after.run_id is None or after.ended:
            return
        run = BegunRun(after.run_id, after.began_at, is_final=False)
        match await persistently(_FIRST_LOOK_SECONDS, self._log.has_run, after.run_id):
            case None:
                async for response in self._removed(run):
                    yield response
                return
            case False:
                raise InvalidRequest(
                    [Violation("after_event_id", "INVALID_EVENT_ID", "is not the id of an event of this thread")]
                )
        async with aclosing(self._follow(run, after.inside)) as responses:
            async for response in responses:
                yield response

    async def _follow(self, run: BegunRun, after: Position = START) -> AsyncGenerator[StreamThreadResponse, None]:
        queue, channel = await self._seat_for(run)
        follower = Follower(self._log.of_run(run.run_id), queue, channel, replace(self._plan, after=after))
        try:
            async with aclosing(follower.responses()) as responses:
                async for raw in responses:
                    yield self._named(run, raw)
                    self._sent_at = self._now()
        except RunNotFound:
            if after != START:
                async for response in self._removed(run):
                    yield response
        await self._leave()
        if self._told_until is None or run.began_at > self._told_until:
            self._told_until = run.began_at

    async def _seat_for(self, run: BegunRun) -> tuple[LiveQueue, Channel]:
        if run.is_final and (self._joined is None or self._joined.run_id != run.run_id):
            # All of it is in the log.
            return LiveQueue(self._buffer_bytes, self._woken), self._channel
        joined = await self._join(run.run_id)
        return joined.queue, joined.channel

    async def _join(self, run_id: UUID) -> Joined:
        if self._joined is not None and self._joined.run_id == run_id:
            return self._joined
        await self._leave()
        queue, seat = LiveQueue(self._buffer_bytes, self._woken), AsyncExitStack()
        channel = await seat.enter_async_context(self._fanout.join(self._log.key(run_id), queue))
        self._joined = Joined(run_id, queue, channel, seat)
        return self._joined

    async def _leave(self) -> None:
        joined, self._joined = self._joined, None
        if joined is not None:
            await joined.seat.aclose()

    # Events

    def _named(self, run: BegunRun, raw: bytes) -> StreamThreadResponse:
        """A run's response as one of the thread: the ids of its events name the run."""
        response: StreamThreadResponse = StreamThreadResponse.FromString(raw)
        for event in response.events:
            if event.event_id:
                is_last = event.HasField("finished")
                self._newest_id = thread_position.event_id(run.run_id, event.event_id, run.began_at, is_last=is_last)
                self._newest_run = run.run_id
            event.event_id = self._newest_id
        return response

    async def _removed(self, run: BegunRun) -> AsyncGenerator[StreamThreadResponse, None]:
        """The end of a run that the reader has begun, and that is not there any more."""
        log, notices = self._log.of_run(run.run_id), Notices(run.run_id)
        final_status = await persistently(_FIRST_LOOK_SECONDS, log.final_status_of_removed)
        if final_status is not None:
            yield self._named(run, notices.gap(self._log.thread_id, "", GAP_REASON_LOST))
        newest = thread_position.parse(self._newest_id)
        end = position.derived_end(newest.inside.claim if newest else 0)
        yield self._named(run, notices.removed(self._log.thread_id, final_status, end))
        self._sent_at = self._now()

    def _heartbeat(self) -> StreamThreadResponse:
        self._sent_at = self._now()
        run_id = str(self._newest_run) if self._newest_run else ""
        time = Timestamp()
        time.GetCurrentTime()
        event = RunEvent(
            event_id=self._newest_id,
            run_id=run_id,
            thread_id=self._log.thread_id,
            event_time=time,
            heartbeat=Heartbeat(),
        )
        return StreamThreadResponse(events=[event])
