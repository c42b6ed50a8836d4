"""Follows one run for one reader: replay and live joined without loss, or the loss is said.

The package's docstring tells how; `position.fit` decides what happens to each batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from math import inf

from runwire.api.stream.v1.stream_pb2 import (
    GAP_REASON_EXPIRED,
    GAP_REASON_LOST,
    GAP_REASON_NOT_LOGGED,
    GapReason,
)
from runwire.core.errors import EventsExpired, InvalidRequest, RunNotFound, Violation
from runwire.core.postgres import is_transient, persistently
from runwire.stream import position
from runwire.stream.batch import Batch, split
from runwire.stream.fanout import Channel, LiveQueue, wait_for
from runwire.stream.log import Log, Look, RunRow
from runwire.stream.notices import Notices
from runwire.stream.position import START, Fit, Position
from runwire.stream.selection import Selection

# Of one response, where events are not larger themselves.
_RESPONSE_BYTES = 256 * 1024
_LONGEST_WAIT_FOR_FLUSH = 1.0
_LONGEST_WAIT_FOR_POSTGRES = 2.0
_FIRST_WAIT_FOR_POSTGRES = 0.1
_WAIT_FOR_UNLOGGED_END = 1.0
_TOKEN_CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a reader asked for, and the intervals that matter, in seconds."""

    after: Position
    selection: Selection
    heartbeat: float
    flush: float
    """Between a worker's writes of the event log."""
    poll: float
    """Between looks while nothing happens."""


class Follower:
    """One reader's way through a run. `responses` is to be iterated once."""

    def __init__(self, log: Log, queue: LiveQueue, channel: Channel, plan: Plan) -> None:
        self._log = log
        self._queue = queue
        self._channel = channel
        self._plan = plan
        self._notices = Notices(log.run_id)
        self._now = asyncio.get_running_loop().time

        self._row: RunRow | None = None
        self._position = plan.after
        self._newest_id = position.event_id(plan.after)
        self._outgoing: list[bytes] = []
        self._sent_at = self._now()
        self._ended = False

        self._looking: asyncio.Task[Look] | None = None
        # When the next look is due: because something asks for it, or because of silence.
        self._look_at = inf
        self._quiet_at = inf
        self._was_asked = True
        self._retry_after = _FIRST_WAIT_FOR_POSTGRES
        # The live batch that can't be sent yet, and the one that the look under way was begun for.
        self._blocked: Batch | None = None
        self._looks_for: Batch | None = None
        self._patience = 0.0
        self._waits_for_unlogged_end = False

    async def responses(self) -> AsyncGenerator[bytes, None]:
        """The bytes of StreamRunResponse messages, until `finished`.

        Raises RunNotFound, EventsExpired, ServerDraining; InvalidRequest for an event id of something else.
        """
        try:
            await self._start()
            while True:
                for response in self._take_outgoing():
                    yield response
                    self._sent_at = self._now()
                if self._ended:
                    return
                await self._step()
        finally:
            if self._looking is not None:
                self._looking.cancel()

    def _take_outgoing(self) -> list[bytes]:
        if not self._outgoing:
            return []
        raw, self._outgoing = b"".join(self._outgoing), []
        return split(raw, _RESPONSE_BYTES)

    async def _start(self) -> None:
        look = await self._log.first_look(self._position)
        if look.row is None:
            raise RunNotFound(run_id=self._log.run_id)
        if self._position != START:
            await self._check_token(look, look.row)
        if not self._ended:
            self._apply(look)

    async def _check_token(self, look: Look, row: RunRow) -> None:
        if row.events_expired:
            raise EventsExpired(run_id=self._log.run_id)
        end = Position(row.claim + 1, 0)
        if row.is_final and not look.batches:
            end = await persistently(_TOKEN_CHECK_SECONDS, self._end, row)
            self._ended = self._position == end
        if self._position > end:
            raise InvalidRequest(
                [Violation("after_event_id", "INVALID_EVENT_ID", "is not the id of an event of this run")]
            )

    async def _end(self, row: RunRow) -> Position:
        newest = await self._log.newest_batch()
        if newest is not None and newest.finished:
            return Position(newest.claim, newest.last_seq)
        return position.derived_end(row.claim)

    async def _step(self) -> None:
        """Waits for whatever comes next, and deals with it."""
        self._channel.check_open()
        look_at = min(self._look_at, self._quiet_at)
        if self._looking is not None:
            look_at = inf
        elif look_at <= self._now():
            self._begin_look()
            look_at = inf
        heartbeat_at = self._sent_at + self._plan.heartbeat
        await wait_for(self._queue.woken, min(look_at, heartbeat_at))
        if self._looking is not None and self._looking.done():
            self._end_look(self._looking)
        if self._queue.missed():
            self._look_at = self._now()
        if not self._ended:
            self._send_live()
        if not self._outgoing and self._now() >= heartbeat_at and self._row is not None:
            self._outgoing.append(self._notices.heartbeat(self._row.thread_id, self._newest_id))

    # Looks

    def _begin_look(self) -> None:
        self._was_asked = self._look_at < inf
        self._look_at = self._quiet_at = inf
        self._looks_for = self._blocked
        self._looking = asyncio.create_task(self._log.look(self._position))
        self._looking.add_done_callback(self._look_is_done)

    def _look_is_done(self, task: asyncio.Task[Look]) -> None:
        if not task.cancelled():
            # A reader that has gone does not ask for it.
            task.exception()
        self._queue.woken.set()

    def _end_look(self, task: asyncio.Task[Look]) -> None:
        self._looking = None
        error = task.exception()
        if error is None:
            self._retry_after = _FIRST_WAIT_FOR_POSTGRES
            self._apply(task.result())
        elif is_transient(error):
            self._look_at = self._now() + self._retry_after
            self._retry_after = min(self._retry_after * 2, _LONGEST_WAIT_FOR_POSTGRES)
        else:
            raise error

    def _apply(self, look: Look) -> None:
        if look.row is None:
            self._end_without_row(look.removed_with)
            return
        self._row = look.row
        if look.row.events_expired:
            self._end_expired(look.row)
            return
        for batch in look.batches:
            self._send_logged(batch)
        if self._ended:
            return
        if look.has_more:
            self._look_at = self._now()
        elif look.row.is_final:
            self._end_from(look.row)
        else:
            self._settle(look.row)
            self._send_live()
            self._quiet_at = self._now() + self._quiet_span()

    def _quiet_span(self) -> float:
        if not self._channel.is_live:
            return 2 * self._plan.flush
        # What was published before the look may have been logged after it.
        return 1.5 * self._plan.flush if self._was_asked else self._plan.poll

    # Batches

    def _send_logged(self, batch: Batch) -> None:
        if self._fit(batch) is not Fit.SEEN:
            self._say_gap_before(batch, GAP_REASON_LOST)
            self._send(batch)

    def _send_live(self) -> None:
        while not self._ended and (batch := self._queue.peek()) is not None:
            fit = self._fit(batch)
            if fit is Fit.SEEN:
                self._queue.pop()
                if batch.finished:
                    self._look_at = self._now()
            elif fit is Fit.NEXT:
                self._queue.pop()
                self._send(batch)
                self._quiet_at = self._now() + self._plan.poll
            elif self._is_logged():
                self._wait_with(batch, fit)
                return
            else:
                self._queue.pop()
                self._say_gap_before(batch, GAP_REASON_NOT_LOGGED)
                self._send(batch)

    def _fit(self, batch: Batch) -> Fit:
        return position.fit(self._position, batch.claim, batch.first_seq, batch.last_seq)

    def _is_logged(self) -> bool:
        return self._row is None or self._row.event_log

    def _send(self, batch: Batch) -> None:
        after_seq = self._position.seq if batch.claim == self._position.claim else 0
        if wanted := self._plan.selection.take(batch, after_seq):
            self._outgoing.append(wanted)
        self._position = Position(batch.claim, batch.last_seq)
        self._newest_id = position.event_id(self._position)
        self._ended = batch.finished

    def _say_gap_before(self, batch: Batch, reason: GapReason) -> None:
        passed = self._position.seq if batch.claim == self._position.claim else 0
        missing = batch.first_seq - 1 - passed
        if missing > 0:
            self._say_gap(reason, missing)

    def _say_gap(self, reason: GapReason, missing: int = 0) -> None:
        if self._row is not None:
            self._outgoing.append(self._notices.gap(self._row.thread_id, self._newest_id, reason, missing))

    def _wait_with(self, batch: Batch, fit: Fit) -> None:
        """Keeps a live batch back until a look has shown what comes before it."""
        if batch is self._blocked:
            return
        self._blocked = batch
        self._patience = self._plan.flush / 4
        wait = 0.0 if fit is Fit.NEWER else self._patience
        self._look_at = min(self._look_at, self._now() + wait)

    def _settle(self, row: RunRow) -> None:
        """Decides on the batch that was kept back, after a look for it that came to the end of the log."""
        batch = self._queue.peek()
        if batch is None or batch is not self._looks_for:
            return
        fit = self._fit(batch)
        if fit is Fit.NEWER:
            self._position = Position(batch.claim, 0)
            self._blocked = None
        elif fit is Fit.HOLE and not row.may_still_log(batch.claim):
            self._queue.pop()
            self._say_gap_before(batch, GAP_REASON_LOST)
            self._send(batch)
        elif fit is Fit.HOLE:
            self._patience = min(self._patience * 2, _LONGEST_WAIT_FOR_FLUSH)
            self._look_at = self._now() + self._patience

    # Ends

    def _end_from(self, row: RunRow) -> None:
        """The run has ended and its log has been read."""
        self._send_all_live()
        if self._ended:
            return
        if not row.event_log and row.has_begun:
            if row.has_just_ended and not self._waits_for_unlogged_end:
                # Its last events may be on their way, and nowhere else.
                self._waits_for_unlogged_end = True
                self._look_at = self._now() + _WAIT_FOR_UNLOGGED_END
                return
            self._say_gap(GAP_REASON_NOT_LOGGED)
        self._end_with(self._notices.finished(row, position.derived_end(row.claim)))

    def _end_without_row(self, removed_with: str | None) -> None:
        """The run was there, and is not any more."""
        self._send_all_live()
        if self._ended:
            return
        if self._row is None:
            raise RunNotFound(run_id=self._log.run_id)
        if self._row.is_final or removed_with is not None:
            # What has not been read was deleted with it.
            self._say_gap(GAP_REASON_LOST if self._is_logged() else GAP_REASON_NOT_LOGGED)
        end = position.derived_end(max(self._row.claim, self._position.claim))
        if self._row.is_final:
            self._end_with(self._notices.finished(self._row, end))
        else:
            self._end_with(self._notices.removed(self._row.thread_id, removed_with, end))

    def _end_expired(self, row: RunRow) -> None:
        if self._position != START:
            raise EventsExpired(run_id=self._log.run_id)
        self._say_gap(GAP_REASON_EXPIRED)
        self._end_with(self._notices.finished(row, position.derived_end(row.claim)))

    def _end_with(self, response: bytes) -> None:
        self._outgoing.append(response)
        self._ended = True

    def _send_all_live(self) -> None:
        """Sends what is queued: nothing will ever fill the holes in it."""
        while not self._ended and (batch := self._queue.peek()) is not None:
            self._queue.pop()
            if self._fit(batch) is not Fit.SEEN:
                self._say_gap_before(batch, GAP_REASON_LOST if self._is_logged() else GAP_REASON_NOT_LOGGED)
                self._send(batch)
