"""Events on their way out: published at once, logged a moment later, for all runs of an executor together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from runwire.core.bus import Bus
from runwire.core.postgres import Pool, is_transient
from runwire.core.settings import Settings
from runwire.core.sql import load
from runwire.worker.claims import LoggedEvents
from runwire.worker.fence import Fence

_log = logging.getLogger(__name__)

SQL = load(__file__)

_PACK_BYTES = 512 * 1024
_ROOM_SECONDS = 30.0


@dataclass(slots=True, eq=False)
class RunOutbox:
    """One attempt's events that are still to be published or logged. Events are framed: bytes that concatenate."""

    fence: Fence
    channel: str
    logged: bool
    to_publish: list[bytes] = field(default_factory=list)
    to_log: list[bytes] = field(default_factory=list)
    # The number of the first event in to_log.
    log_from: int = 1
    in_flight: asyncio.Future[None] | None = None
    # Channels that are told the run's id with what is published next.
    to_tell: list[str] = field(default_factory=list)


class Outbox:
    """Publishes what has piled up whenever the last publishing is done, and logs it a few times a second."""

    def __init__(self, pool: Pool, bus: Bus, settings: Settings) -> None:
        self._pool = pool
        self._bus = bus
        self._flush_interval = settings.event_flush_interval.total_seconds()
        self._limit = settings.event_buffer_bytes
        self._bytes = 0
        # In the order in which they came. One executor may hold two claims of one run id.
        self._dirty: dict[RunOutbox, None] = {}
        self._unlogged: dict[RunOutbox, None] = {}
        self._publishing = asyncio.Lock()
        self._wake_publisher = asyncio.Event()
        self._wake_logger = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Outbox:
        self._tasks = [
            asyncio.create_task(self._publish_forever(), name="publisher"),
            asyncio.create_task(self._log_forever(), name="event-log"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._publish_dirty()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    def open(self, fence: Fence, *, logged: bool) -> RunOutbox:
        """The outbox of one attempt."""
        return RunOutbox(fence, self._bus.keys.events(fence.run), logged)

    def add(self, run: RunOutbox, event: bytes) -> None:
        """Takes the run's next event."""
        run.to_publish.append(event)
        self._dirty[run] = None
        self._wake_publisher.set()
        if run.logged:
            run.to_log.append(event)
            self._unlogged[run] = None
            self._grow(len(event))
            self._wake_logger.set()

    def publish_only(self, run: RunOutbox, event: bytes) -> None:
        """Takes an event that is in the log already."""
        run.to_publish.append(event)
        self._dirty[run] = None
        self._wake_publisher.set()

    def tell_thread(self, run: RunOutbox, tenant: str, thread_id: str | None) -> None:
        """Names the run on its thread's channel, along with what is published next: it begins, or has ended."""
        if thread_id is not None:
            run.to_tell.append(self._bus.keys.thread(tenant, thread_id))

    async def room(self) -> None:
        """Waits while too much is unlogged. After a while it lets go: a log that is away must not stop a run."""
        if not self._room.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_ROOM_SECONDS):
                    await self._room.wait()

    async def take_unlogged(self, run: RunOutbox) -> LoggedEvents | None:
        """What is still to be logged of a run that ends; from here on it is the caller's to write."""
        # A write that failed may be begun again before this has heard of its end.
        while run.in_flight is not None:
            await asyncio.wait([run.in_flight])
        self._unlogged.pop(run, None)
        if not run.to_log:
            return None
        batch = LoggedEvents(run.log_from, run.log_from + len(run.to_log) - 1, b"".join(run.to_log))
        self._grow(-len(batch.events))
        run.log_from = batch.last_seq + 1
        run.to_log = []
        return batch

    def _grow(self, by: int) -> None:
        self._bytes += by
        if self._bytes > self._limit:
            self._room.clear()
        else:
            self._room.set()

    async def _publish_forever(self) -> None:
        while True:
            await self._wake_publisher.wait()
            self._wake_publisher.clear()
            await self._publish_dirty()

    async def _publish_dirty(self) -> None:
        # The last call, at the end, does not overtake the one under way.
        async with self._publishing:
            if messages := self._take_messages():
                # What does not get through is in the log, and readers notice that it is missing.
                await self._bus.publish(messages)

    def _take_messages(self) -> list[tuple[str, bytes]]:
        dirty, self._dirty = self._dirty, {}
        messages = []
        for run in dirty:
            events, run.to_publish = run.to_publish, []
            messages += [(run.channel, pack) for _, pack in _packs(events)]
            if run.to_tell:
                channels, run.to_tell = run.to_tell, []
                messages += [(channel, str(run.fence.run_id).encode()) for channel in channels]
        return messages

    async def _log_forever(self) -> None:
        while True:
            await self._wake_logger.wait()
            await asyncio.sleep(self._flush_interval)
            self._wake_logger.clear()
            await self._log_pending()

    async def _log_pending(self) -> None:
        runs, self._unlogged = list(self._unlogged), {}
        done = asyncio.get_running_loop().create_future()
        taken = []
        for run in runs:
            run.in_flight = done
            taken.append((run, run.to_log))
            run.to_log = []
        try:
            await self._write(taken)
        except Exception as error:
            if not is_transient(error):
                _log.exception("event log refused", extra={"action": "event_log_failed"})
            self._put_back(taken)
        else:
            for run, events in taken:
                run.log_from += len(events)
                self._grow(-sum(map(len, events)))
        finally:
            for run in runs:
                run.in_flight = None
            done.set_result(None)

    async def _write(self, taken: list[tuple[RunOutbox, list[bytes]]]) -> None:
        rows = []
        for run, events in taken:
            first = run.log_from
            for count, pack in _packs(events):
                rows.append((run.fence.tenant, run.fence.run_id, run.fence.claim, first, first + count - 1, pack))
                first += count
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            await self._pool.execute(SQL["log_events"], *columns, timeout=10)

    def _put_back(self, taken: list[tuple[RunOutbox, list[bytes]]]) -> None:
        for run, events in taken:
            run.to_log = events + run.to_log
            self._unlogged[run] = None
        self._wake_logger.set()


def _packs(events: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Joins events to messages of a bounded size; an event of its own size goes alone."""
    start = size = 0
    for index, event in enumerate(events):
        if size and size + len(event) > _PACK_BYTES:
            yield index - start, b"".join(events[start:index])
            start, size = index, 0
        size += len(event)
    if start < len(events):
        yield len(events) - start, b"".join(events[start:])
