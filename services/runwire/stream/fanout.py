"""Live events for all readers of a process: one connection to Redis, one decode a message, no waiting."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

from runwire.core.bus import Bus
from runwire.core.errors import ServerDraining
from runwire.core.ids import RunKey
from runwire.stream.batch import Batch, Malformed, parse

_log = logging.getLogger(__name__)

# What a batch takes beside its bytes.
_BATCH_OVERHEAD = 400


class Listener(Protocol):
    """Takes what comes live of one run, at once and without ever waiting."""

    def take(self, batch: Batch | None) -> None:
        """A batch of events. None: something may have been missed, or the run's row has changed."""


class LiveQueue:
    """The live batches that one reader has not dealt with. When they become too large, they are dropped."""

    def __init__(self, limit: int, woken: asyncio.Event | None = None) -> None:
        """`limit` bytes are kept at most; `woken` is set when there is something to do, and may have other setters."""
        self._limit = limit
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._has_missed = False
        self._overflowed = False
        self.woken = woken or asyncio.Event()

    @property
    def size(self) -> int:
        """Bytes held."""
        return self._bytes

    def take(self, batch: Batch | None) -> None:
        """Called by the fan-out."""
        self.woken.set()
        if batch is None:
            self._has_missed = True
        elif not self._overflowed:
            self._bytes += len(batch.raw) + _BATCH_OVERHEAD
            self._batches.append(batch)
            if self._bytes > self._limit:
                self._batches.clear()
                self._bytes = 0
                self._overflowed = True

    def missed(self) -> bool:
        """Whether events may have been missed since the last call. From here on they are kept again."""
        missed = self._has_missed or self._overflowed
        self._has_missed = self._overflowed = False
        return missed

    def peek(self) -> Batch | None:
        """The oldest batch."""
        return self._batches[0] if self._batches else None

    def pop(self) -> None:
        """Removes the oldest batch."""
        self._bytes -= len(self._batches.popleft().raw) + _BATCH_OVERHEAD


class Wake:
    """Sets an event whenever something comes, whatever it is."""

    def __init__(self, woken: asyncio.Event) -> None:
        self._woken = woken

    def take(self, _: Batch | None) -> None:
        """Called by the fan-out."""
        self._woken.set()


class Channel:
    """One channel and all who listen to it."""

    def __init__(self, fanout: Fanout, name: str, *, has_events: bool) -> None:
        """Without `has_events`, messages only say that there is something to look for."""
        self._fanout = fanout
        self._name = name
        self._has_events = has_events
        # In the order in which they came; there is nothing beside them.
        self.listeners: dict[Listener, None] = {}
        self.is_live = False
        self._acknowledged = asyncio.Event()
        self._left = asyncio.Event()
        self._task = asyncio.create_task(self._listen(), name=f"channel-{name}")

    async def wait_until_live(self) -> None:
        """Returns when Redis has acknowledged the subscription, or when it has not done so in time."""
        await self._acknowledged.wait()

    def check_open(self) -> None:
        """Raises ServerDraining when the process is being shut down."""
        if self._fanout.is_draining:
            raise ServerDraining()

    def close(self) -> asyncio.Task[None]:
        """Ends the subscription."""
        self._left.set()
        return self._task

    async def _listen(self) -> None:
        try:
            async with self._fanout.subscriptions.listen(self._name, self._take, ack_timeout=1.0) as acknowledged:
                self.is_live = acknowledged
                self._acknowledged.set()
                await self._left.wait()
        finally:
            self.is_live = False
            self._acknowledged.set()

    def _take(self, message: bytes | None) -> None:
        if message is None:
            self.is_live = self._fanout.subscriptions.is_connected
        self.tell(self._decode(message) if message and self._has_events else None)

    def _decode(self, message: bytes) -> Batch | None:
        try:
            return parse(message)
        except Malformed as error:
            details = {"action": "malformed_events", "channel": self._name, "error": str(error)}
            _log.warning("malformed events", extra=details)
            return None

    def tell(self, batch: Batch | None) -> None:
        """Hands something to all listeners."""
        for listener in tuple(self.listeners):
            listener.take(batch)


class Fanout:
    """The channels of all runs and threads that somebody in this process follows."""

    def __init__(self, bus: Bus) -> None:
        self.keys = bus.keys
        self.subscriptions = bus.subscriptions()
        self.is_draining = False
        self._channels: dict[str, Channel] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Fanout:
        await self.subscriptions.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        tasks = [channel.close() for channel in self._channels.values()] + list(self._closing)
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.gather(*tasks, return_exceptions=True)
        await self.subscriptions.__aexit__(*exc)

    def drain(self) -> None:
        """Ends all streams: `Channel.check_open` raises from now on, and everybody is woken to see it."""
        self.is_draining = True
        for channel in self._channels.values():
            channel.tell(None)

    def join(self, run: RunKey, listener: Listener) -> AbstractAsyncContextManager[Channel]:
        """Gives `listener` what comes live of a run. Entered once Redis has acknowledged, or is late."""
        return self._join(self.keys.events(run), listener, has_events=True)

    def join_thread(self, tenant: str, thread_id: str, listener: Listener) -> AbstractAsyncContextManager[Channel]:
        """Tells `listener` when runs of a thread come, begin or end. Entered as `join`."""
        return self._join(self.keys.thread(tenant, thread_id), listener, has_events=False)

    @asynccontextmanager
    async def _join(self, name: str, listener: Listener, *, has_events: bool) -> AsyncIterator[Channel]:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel(self, name, has_events=has_events)
        channel.listeners[listener] = None
        try:
            await channel.wait_until_live()
            channel.check_open()
            yield channel
        finally:
            channel.listeners.pop(listener, None)
            if not channel.listeners and self._channels.get(name) is channel:
                del self._channels[name]
                self._keep(channel.close())

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def wait_for(woken: asyncio.Event, until: float) -> None:
    """Waits for the event, but not beyond `until` on the loop's clock; then clears it."""
    if not woken.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await woken.wait()
    woken.clear()
