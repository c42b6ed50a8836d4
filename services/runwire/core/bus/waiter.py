"""Blocking pops of sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from runwire.core.bus.presence import FAILURES, Presence


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
        except FAILURES as error:
            # Too late may also be a loop that users' code has blocked.
            if not isinstance(error, TimeoutError):
                self._presence.failed("pop", error)
            spent = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, min(timeout, 1.0) - spent))
            return False
        self._presence.answered()
        return popped is not None
