"""PubSub for all listeners of a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from runwire.core.bus.presence import FAILURES, Presence

_log = logging.getLogger(__name__)

_MESSAGES_AT_ONCE = 16
_SPEAKING_SECONDS = 2

Sink = Callable[[bytes | None], None]
"""Takes each message of a channel; None says that messages may have been missed, or that Redis just went away."""


class Subscriptions:
    """One PubSub connection, however many channels and listeners; it reconnects by itself and says so."""

    def __init__(self, redis: Redis, presence: Presence) -> None:
        """`redis` is its own, and closed with it."""
        self._redis = redis
        self._presence = presence
        self._sinks: dict[str, list[Sink]] = {}
        self._acks: dict[str, asyncio.Future[None]] = {}
        self._pubsub: PubSub | None = None
        # A PubSub that is given a command while it is being closed opens a connection that nobody closes.
        self._speaking = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Subscriptions:
        self._reader = asyncio.create_task(self._read(), name="redis-subscriptions")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        await self._redis.aclose()

    @property
    def is_connected(self) -> bool:
        """Whether Redis can be heard now."""
        return self._pubsub is not None

    @asynccontextmanager
    async def listen(self, channel: str, sink: Sink, *, ack_timeout: float = 2.0) -> AsyncIterator[bool]:
        """Gives `sink` every message of a channel. Entered once Redis has acknowledged; then the value is True.

        Without an acknowledgement in time the value is False; `sink(None)` follows when it has come.
        """
        first = channel not in self._sinks
        self._sinks.setdefault(channel, []).append(sink)
        try:
            if first:
                self._acks[channel] = asyncio.get_running_loop().create_future()
                await self._send("subscribe", channel)
            yield await self._acknowledged(channel, ack_timeout)
        finally:
            await self._leave(channel, sink)

    async def _acknowledged(self, channel: str, timeout: float) -> bool:
        ack = self._acks.get(channel)
        if ack is None:
            return self._pubsub is not None
        await asyncio.wait([ack], timeout=timeout)
        if not ack.done() and self._acks.get(channel) is ack:
            del self._acks[channel]
        return ack.done()

    async def _leave(self, channel: str, sink: Sink) -> None:
        sinks = self._sinks[channel]
        sinks.remove(sink)
        if not sinks:
            del self._sinks[channel]
            self._acks.pop(channel, None)
            await asyncio.shield(self._unsubscribe(channel))

    async def _unsubscribe(self, channel: str) -> None:
        # Somebody may have come back to the channel before this task began.
        if channel not in self._sinks:
            await self._send("unsubscribe", channel)

    async def _send(self, verb: str, channel: str) -> None:
        self._wanted.set()
        async with self._speaking:
            pubsub = self._pubsub
            if pubsub is None:
                return
            try:
                async with asyncio.timeout(_SPEAKING_SECONDS):
                    await getattr(pubsub, verb)(channel)
            except BaseException as error:
                # A cancellation as well leaves half a command behind. The reader sees that, and subscribes anew.
                if self._pubsub is pubsub:
                    self._pubsub = None
                if not isinstance(error, FAILURES):
                    raise

    async def _read(self) -> None:
        while True:
            try:
                if not self._sinks:
                    self._wanted.clear()
                    await self._wanted.wait()
                await self._read_connection()
            except Exception as error:
                if not isinstance(error, FAILURES):
                    _log.exception("redis subscriptions broke", extra={"action": "subscriptions_broke"})
                self._presence.failed("subscribe", error)
                self._tell_all_of_a_gap()
                await asyncio.sleep(0.2)

    def _tell_all_of_a_gap(self) -> None:
        for sinks in tuple(self._sinks.values()):
            for sink in tuple(sinks):
                sink(None)

    async def _read_connection(self) -> None:
        pubsub = self._redis.pubsub()
        try:
            known = set[str]()
            # More of them may come while the connection is being made.
            while new := self._sinks.keys() - known:
                await pubsub.subscribe(*new)
                known |= new
            self._pubsub = pubsub
            for number in count(1):
                if self._pubsub is not pubsub:
                    raise ConnectionError("a command of another task has failed")
                message = await pubsub.get_message(timeout=1.0)
                if message is not None:
                    self._presence.answered()
                    self._handle(message["type"], message["channel"].decode(), message["data"])
                # What has arrived already is read without suspending, and others must get on with it meanwhile.
                if number % _MESSAGES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        finally:
            self._pubsub = None
            await asyncio.shield(self._close(pubsub))

    async def _close(self, pubsub: PubSub) -> None:
        async with self._speaking:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    def _handle(self, kind: str, channel: str, data: bytes) -> None:
        if kind == "message":
            for sink in tuple(self._sinks.get(channel, ())):
                sink(data)
        elif kind == "subscribe":
            ack = self._acks.pop(channel, None)
            if ack is not None and not ack.done():
                ack.set_result(None)
            else:
                for sink in tuple(self._sinks.get(channel, ())):
                    sink(None)
