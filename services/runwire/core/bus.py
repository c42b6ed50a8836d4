"""Redis: wake-ups, cancels, live events and the attempt counter. A hint and never the truth.

This is the only module that knows Redis, its keys and its channels. Nothing here holds run data, and nothing here fails
because Redis does: what could not be told is found in Postgres a moment later.

    <prefix>:wake:<graph_id>         list     sentinels: a run of this graph is ready
    <prefix>:wake-state:<graph_id>   list     sentinels: a thread state request for this graph is there
    <prefix>:cancel:<run>            string   the action; expires
    <prefix>:attempt:<run>           string   how often the run was begun; expires
    <prefix>:control:<worker_id>     channel  dispatch to worker: "<run> <action>"
    <prefix>:events:<run>            channel  worker to stream: StreamRunResponse bytes
    <prefix>:thread:<thread>         channel  run ids that begin and end
    <prefix>:done:<request_id>       channel  worker to dispatch: the state request is answered

<run> and <thread> are the ids as they are for the default tenant, and `<tenant>/<id>` for the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)

_SENTINEL = b"1"
_SENTINELS_KEPT = 64
_CANCEL_EXPIRY_SECONDS = 3600
_MESSAGES_AT_ONCE = 16
_COMMAND_SECONDS = 2
_SPEAKING_SECONDS = 2
_STEADY_SECONDS = 1
# uvloop says RuntimeError of a connection that broke while it was idle.
_FAILURES = (RedisError, OSError, TimeoutError, RuntimeError)

Sink = Callable[[bytes | None], None]
"""Takes each message of a channel; None says that messages may have been missed, or that Redis just went away."""


def _once_more() -> Retry:
    """For what found its connection broken, on a new one."""
    retry = Retry(NoBackoff(), 1)
    retry.update_supported_errors([RuntimeError])  # type: ignore[list-item]
    return retry


class Keys:
    """The names of all keys and channels."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def wake(self, graph_id: str) -> str:
        """List of sentinels for runs."""
        return f"{self._prefix}:wake:{graph_id}"

    def wake_state(self, graph_id: str) -> str:
        """List of sentinels for thread state requests."""
        return f"{self._prefix}:wake-state:{graph_id}"

    def cancel(self, run: RunKey) -> str:
        """String: the cancel action, for a worker that has not begun to listen."""
        return f"{self._prefix}:cancel:{run}"

    def attempt(self, run: RunKey) -> str:
        """String: the attempt counter."""
        return f"{self._prefix}:attempt:{run}"

    def control(self, worker_id: UUID) -> str:
        """Channel to a worker."""
        return f"{self._prefix}:control:{worker_id}"

    def events(self, run: RunKey) -> str:
        """Channel of a run's events."""
        return f"{self._prefix}:events:{run}"

    def thread(self, tenant: str, thread_id: str) -> str:
        """Channel of a thread: ids of runs that begin and end."""
        return f"{self._prefix}:thread:{thread_id if tenant == DEFAULT_TENANT else f'{tenant}/{thread_id}'}"

    def done(self, request_id: UUID) -> str:
        """Channel of a state request."""
        return f"{self._prefix}:done:{request_id}"


class Presence:
    """Whether Redis answers: said once when something fails, and once when nothing has failed for a second again."""

    def __init__(self, uri: str) -> None:
        # Without the account.
        self._server = urlsplit(uri).netloc.rpartition("@")[2]
        self._failed = 0
        self._back: asyncio.TimerHandle | None = None

    def failed(self, what: str, error: Exception) -> None:
        """Something that was asked of Redis got no answer, or was refused."""
        self._failed += 1
        self.close()
        if self._failed == 1:
            details = {"action": "redis_unavailable", "server": self._server, "what": what, "error": str(error)}
            _log.warning("redis can't be reached", extra=details)

    def answered(self) -> None:
        """Something was answered."""
        if self._failed and self._back is None:
            self._back = asyncio.get_running_loop().call_later(_STEADY_SECONDS, self._say_back)

    def close(self) -> None:
        """Says no more that Redis is back, unless it answers once more."""
        if self._back is not None:
            self._back.cancel()
            self._back = None

    def _say_back(self) -> None:
        details = {"action": "redis_back", "server": self._server, "failed": self._failed}
        _log.info("redis answers again", extra=details)
        self._failed, self._back = 0, None


class Bus:
    """Short commands to Redis. Every method returns within a second or so, whether or not Redis is there."""

    def __init__(self, settings: Settings) -> None:
        self.keys = Keys(settings.redis_prefix)
        self._attempt_expiry = settings.attempt_expiry
        self._uri = settings.redis_uri
        self._presence = Presence(settings.redis_uri)
        self._redis = Redis.from_url(
            self._uri,
            # With a time-out of its own it calls asyncio.wait_for, which on Python 3.11 may swallow a cancellation.
            socket_timeout=None,
            socket_connect_timeout=1,
            retry=_once_more(),
            max_connections=32,
        )

    async def __aenter__(self) -> Bus:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._presence.close()
        await self._redis.aclose()

    def subscriptions(self) -> Subscriptions:
        """A PubSub connection of its own."""
        return Subscriptions(
            Redis.from_url(
                self._uri,
                socket_timeout=None,
                socket_connect_timeout=1,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=5,
                max_connections=2,
            ),
            self._presence,
        )

    def waiter(self) -> Waiter:
        """A connection of its own for blocking pops."""
        return Waiter(self._uri, self._presence)

    async def wake(self, graph_ids: Iterable[str]) -> None:
        """Wakes one worker for each graph."""
        await self._push([self.keys.wake(graph_id) for graph_id in graph_ids])

    async def wake_for_state(self, graph_id: str) -> None:
        """Wakes one worker for a thread state request."""
        await self._push([self.keys.wake_state(graph_id)])

    async def _push(self, lists: Sequence[str]) -> None:
        if not lists:
            return
        pipe = self._redis.pipeline(transaction=False)
        for name in lists:
            pipe.lpush(name, _SENTINEL)
            pipe.ltrim(name, 0, _SENTINELS_KEPT - 1)
        await self._quietly("wake", pipe.execute())

    async def cancel(self, stopping: Sequence[tuple[RunKey, UUID, str]]) -> None:
        """Tells workers of runs to stop them, by a string for one that does not listen yet, and by a message."""
        if not stopping:
            return
        pipe = self._redis.pipeline(transaction=False)
        for run, worker_id, action in stopping:
            pipe.set(self.keys.cancel(run), action, ex=_CANCEL_EXPIRY_SECONDS)
            pipe.publish(self.keys.control(worker_id), f"{run} {action}")
        await self._quietly("cancel", pipe.execute())

    async def begin_attempts(self, runs: Sequence[RunKey]) -> list[tuple[int, bytes | None]]:
        """Counts an attempt of each run; also the cancel action that waits for it. (0, None) where Redis is away."""
        pipe = self._redis.pipeline(transaction=False)
        for run in runs:
            pipe.incr(self.keys.attempt(run))
            pipe.expire(self.keys.attempt(run), self._attempt_expiry)
            pipe.get(self.keys.cancel(run))
        answers = await self._quietly("attempt", pipe.execute())
        if answers is None:
            return [(0, None)] * len(runs)
        return list(zip(answers[::3], answers[2::3], strict=True))

    async def give_back_attempt(self, run: RunKey) -> None:
        """Takes back an attempt that does not count."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.decr(self.keys.attempt(run))
        pipe.expire(self.keys.attempt(run), self._attempt_expiry)
        await self._quietly("attempt", pipe.execute())

    async def forget_run(self, run: RunKey) -> None:
        """Removes the keys of a run that has ended."""
        await self._quietly("forget", self._redis.delete(self.keys.attempt(run), self.keys.cancel(run)))

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Publishes messages to channels, in order, in one round trip. False: they may not have got through."""
        if not messages:
            return True
        pipe = self._redis.pipeline(transaction=False)
        for channel, message in messages:
            pipe.publish(channel, message)
        return await self._quietly("publish", pipe.execute()) is not None

    async def _quietly(self, what: str, command: Any) -> Any:
        try:
            async with asyncio.timeout(_COMMAND_SECONDS):
                answer = await command
        except _FAILURES as error:
            self._presence.failed(what, error)
            return None
        self._presence.answered()
        return answer


class Waiter:
    """Blocking pops, on a connection of their own."""

    def __init__(self, uri: str, presence: Presence) -> None:
        self._presence = presence
        self._redis = Redis.from_url(
            uri, socket_timeout=None, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0), max_connections=4
        )

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._redis.aclose()

    async def pop(self, lists: Sequence[str], timeout: float) -> bool:
        """Waits for a sentinel in one of the lists. After `timeout` seconds, or with Redis away: False."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout + 2):
                popped = await self._redis.blpop(list(lists), timeout)
        except _FAILURES as error:
            self._presence.failed("pop", error)
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, min(timeout, 1.0) - spent))
            return False
        self._presence.answered()
        return popped is not None


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
            if self._pubsub is not None:
                # A broken connection shows in the reader, which subscribes anew.
                with suppress(*_FAILURES):
                    async with asyncio.timeout(_SPEAKING_SECONDS):
                        await getattr(self._pubsub, verb)(channel)

    async def _read(self) -> None:
        while True:
            try:
                if not self._sinks:
                    self._wanted.clear()
                    await self._wanted.wait()
                await self._read_connection()
            except Exception as error:
                if not isinstance(error, _FAILURES):
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
            known = set(self._sinks)
            await pubsub.subscribe(*known)
            self._pubsub = pubsub
            # Channels that came while the connection was being made.
            if late := self._sinks.keys() - known:
                await pubsub.subscribe(*late)
            for number in count(1):
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
