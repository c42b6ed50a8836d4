"""Short commands, none of which fails because Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runwire.core.bus.keys import Keys
from runwire.core.bus.presence import FAILURES, Presence
from runwire.core.bus.subscriptions import Subscriptions
from runwire.core.bus.waiter import Waiter
from runwire.core.ids import RunKey
from runwire.core.settings import Settings

_SENTINEL = b"1"
_SENTINELS_KEPT = 64
_CANCEL_EXPIRY_SECONDS = 3600
_COMMAND_SECONDS = 2


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
                # One that found its connection broken would make another, as a command of a second task does at the
                # same time, and only the later one would ever be closed.
                retry=Retry(NoBackoff(), 0, supported_errors=()),
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
        except FAILURES as error:
            self._presence.failed(what, error)
            return None
        self._presence.answered()
        return answer


def _once_more() -> Retry:
    """For what found its connection broken, on a new one."""
    retry = Retry(NoBackoff(), 1)
    retry.update_supported_errors([RuntimeError])  # type: ignore[list-item]
    return retry
