"""Looks at all of Redis again and again, for what must not be there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import redis.asyncio
from redis.exceptions import RedisError

from tests.faults.history import History
from tests.faults.plans import MARK

_LONGEST = 64
_KINDS = {"wake": b"list", "wake-state": b"list", "cancel": b"string", "attempt": b"string"}


async def watch(uri: str, prefix: str, history: History, stop: asyncio.Event, every: float = 1.0) -> int:
    """Notes what it finds wrong, until `stop`; the answer is how many keys were looked at."""
    looked_at = 0
    async with redis.asyncio.from_url(uri) as client:
        while not stop.is_set():
            with suppress(RedisError, OSError, TimeoutError):
                async for key, why in _look(client, prefix):
                    looked_at += 1
                    if why:
                        history.note("redis", key=key, why=why)
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await stop.wait()
    return looked_at


async def _look(client: redis.asyncio.Redis, prefix: str) -> AsyncIterator[tuple[str, str]]:
    async for raw in client.scan_iter(count=500):
        key = raw.decode() if isinstance(raw, bytes) else raw
        yield key, await _wrong(client, key, prefix)


async def _wrong(client: redis.asyncio.Redis, key: str, prefix: str) -> str:
    """What is wrong with a key; "" when nothing is."""
    kind = key.removeprefix(f"{prefix}:").partition(":")[0]
    found = await client.type(key)
    if found == b"none":
        return ""
    if not key.startswith(f"{prefix}:") or _KINDS.get(kind) != found:
        return f"a {found!r} that the design does not know"
    values = await client.lrange(key, 0, -1) if found == b"list" else [await client.get(key)]
    if any(value is not None and (len(value) > _LONGEST or MARK.encode() in value) for value in values):
        return "a value that is no hint"
    if found == b"string" and await client.ttl(key) == -1:
        return "no expiry"
    return ""
