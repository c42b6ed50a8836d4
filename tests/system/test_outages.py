"""Redis and Postgres: what Redis holds, and what happens when either goes away and comes back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
import redis.asyncio

from runwire.core.postgres import migrate
from runwire.embedded import Postgres, Redis
from tests.harness.databases import system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform, kinds, new_thread, output, resume, status
from tests.system.test_events import assert_complete

_LONGEST_VALUE = 64
_STRING_KEYS = "cancel", "attempt"
_LIST_KEYS = "wake", "wake-state"


@dataclass(frozen=True, slots=True)
class Ground:
    """A platform and the servers it stands on, which nobody else uses."""

    platform: Platform
    redis: Redis
    postgres: Postgres


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """A platform on a Postgres and a Redis of its own."""
    folder = tmp_path_factory.mktemp("servers")
    async with Redis(folder, durable=False) as redis_server, Postgres(folder, durable=False) as postgres:
        await migrate(postgres.uri)
        settings = system_settings(postgres.uri, redis_server.uri, lease=timedelta(minutes=2))
        async with in_process(settings) as platform:
            yield Ground(platform, redis_server, postgres)


@asynccontextmanager
async def watched(ground: Ground) -> AsyncIterator[dict[str, str]]:
    """Looks at all of Redis again and again; the value is an example of each kind of key that it saw."""
    seen: dict[str, str] = {}
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch(ground, seen, enough))
        yield seen
        enough.set()


async def _watch(ground: Ground, seen: dict[str, str], enough: asyncio.Event) -> None:
    prefix = ground.platform.settings.redis_prefix
    async with redis.asyncio.Redis.from_url(ground.redis.uri) as client:
        while not enough.is_set():
            async for key in _keys(client):
                kind = key.removeprefix(f"{prefix}:").partition(":")[0]
                seen[kind] = key
                await _check_value(client, key, kind)
            await asyncio.sleep(0.002)


async def _keys(client: redis.asyncio.Redis) -> AsyncIterator[str]:
    async for key in client.scan_iter(count=1000):
        yield key.decode() if isinstance(key, bytes) else key


async def _check_value(client: redis.asyncio.Redis, key: str, kind: str) -> None:
    found = await client.type(key)
    if found == b"list":
        assert kind in _LIST_KEYS, key
        assert all(len(element) <= _LONGEST_VALUE for element in await client.lrange(key, 0, -1)), key
    elif found == b"string":
        assert kind in _STRING_KEYS, key
        value = await client.get(key)
        assert value is None or len(value) <= _LONGEST_VALUE, key
        assert value is None or await client.ttl(key) != -1, key
    else:
        assert found == b"none", f"{key} is a {found!r}"


async def _mixed_load(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "a question that must not be in Redis"}, thread=thread)
    done = [
        platform.run("gate", thread=thread, command=resume("an answer")),
        platform.run("chat", {"messages": [["user", "tell me " * 50]]}, modes=["messages"]),
        platform.run("failing", {"text": "x"}),
        platform.run("big", {"bytes": 100_000, "custom": 100_000}, modes=["custom", "values"]),
        platform.state(thread),
        *(platform.run("tokens", {"tokens": 50}, modes=["custom"]) for _ in range(5)),
        _cancelled(platform),
    ]
    await asyncio.gather(*done)


async def _cancelled(platform: Platform) -> None:
    runs = [await platform.create("slow", {"delay": 60}) for _ in range(5)]
    for run in runs:
        await platform.cancel(run.run_id)
        await platform.finish(run.run_id)


async def test_redis_holds_sentinels_counters_and_cancels_only(ground: Ground) -> None:
    async with watched(ground) as seen:
        for _ in range(3):
            await _mixed_load(ground.platform)
    assert seen.keys() <= {*_LIST_KEYS, *_STRING_KEYS}
    assert "attempt" in seen
    assert all(re.fullmatch(r"[\w-]+:[\w-]+:[\w-]+", key) for key in seen.values())


async def test_nothing_of_an_ended_run_stays_in_redis(ground: Ground) -> None:
    run = await ground.platform.run("echo", {"text": "a"})
    cancelled = await ground.platform.create("slow", {"delay": 60})
    await ground.platform.reached(cancelled.run_id, "started")
    await ground.platform.cancel(cancelled.run_id)
    await ground.platform.finish(cancelled.run_id)
    async with redis.asyncio.Redis.from_url(ground.redis.uri) as client:

        async def forgotten() -> bool:
            keys = [key async for key in _keys(client)]
            return not any(run.run.run_id in key or cancelled.run_id in key for key in keys)

        async with asyncio.timeout(5):
            while not await forgotten():
                await asyncio.sleep(0.02)


async def _stop(server: Redis | Postgres) -> None:
    await server.stop()
    await server.start()


async def _crash(server: Redis | Postgres) -> None:
    await server.kill()
    await server.start()


@pytest.mark.parametrize("restart", [_stop, _crash])
@pytest.mark.parametrize("which", ["redis", "postgres"])
async def test_a_stream_outlives_a_restart(
    ground: Ground, which: str, restart: Callable[[Redis | Postgres], Awaitable[None]]
) -> None:
    platform = ground.platform
    server = ground.redis if which == "redis" else ground.postgres
    value = {"tokens": 300, "delay": 0.01}
    run = await platform.create("tokens", value, thread=new_thread(), modes=["custom", "values"])
    steps = await platform.create("steps", {"count": 100, "delay": 0.4}, thread=new_thread())
    following = asyncio.create_task(platform.events(run.run_id))
    await platform.reached(run.run_id, "custom")
    await restart(server)
    events = await following
    assert_complete(events)
    told = [json.loads(event.custom.data.text)["token"] for event in events if event.HasField("custom")]
    assert told == list(range(300))
    assert status(await platform.finish(run.run_id)) == "success"
    assert await platform.events(run.run_id) == events
    done = await platform.finish(steps.run_id)
    assert (status(done), output(done)["count"]) == ("success", 106)


async def test_without_redis_runs_are_created_executed_streamed_and_cancelled(ground: Ground) -> None:
    platform = ground.platform
    await ground.redis.stop()
    try:
        run = await platform.create("tokens", {"tokens": 50, "delay": 0.01}, thread=new_thread(), modes=["custom"])
        events = await platform.events(run.run_id)
        assert_complete(events)
        assert len([event for event in events if event.HasField("custom")]) == 50
        thread = new_thread()
        await platform.run("gate", {"question": "?"}, thread=thread)
        assert list((await platform.state(thread)).next) == ["ask"]
        assert output(await platform.run("gate", thread=thread, command=resume("yes")))["answer"] == "yes"
        slow = await platform.create("slow", {"delay": 60})
        await platform.reached(slow.run_id, "started")
        await platform.cancel(slow.run_id)
        assert status(await platform.finish(slow.run_id)) == "cancelled"
    finally:
        await ground.redis.start()
    assert kinds(await platform.events((await platform.create("echo", {"text": "back"})).run_id))[-1] == "finished"
