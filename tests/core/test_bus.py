"""The bus never fails because Redis does, however a connection breaks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from runwire.core.bus import Bus
from runwire.core.ids import RunKey
from runwire.core.lifetime import runner
from runwire.core.settings import Settings
from runwire.embedded import Servers
from tests.harness.proxy import Proxy, proxy_of
from tests.harness.waiting import until


def _settings(redis_uri: str) -> Settings:
    return Settings(database_uri="postgresql://nowhere", redis_uri=redis_uri, redis_prefix="bus")


async def _use(settings: Settings) -> None:
    async with Bus(settings) as bus:
        for _ in range(5):
            assert await bus.publish([("channel", b"")])
            for connection in bus._redis.connection_pool._available_connections:
                # As when the other end resets it: uvloop has closed the handle, and the pool does not know yet.
                assert connection._writer is not None
                connection._writer.transport.abort()
            ((attempts, _),) = await bus.begin_attempts([RunKey("default", uuid4())])
            assert attempts == 1


def test_a_connection_that_broke_while_it_was_idle_is_no_failure(servers: Servers) -> None:
    with runner() as loop:
        loop.run(_use(_settings(servers.redis_uri)))


async def _wake_forever(bus: Bus) -> None:
    while True:
        await bus.wake(["graph"])


async def _cancel_at(steps: int, bus: Bus) -> bool:
    """Cancels a task that uses the bus after so many turns of the loop; whether it has ended."""
    task = asyncio.create_task(_wake_forever(bus))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    return task.done()


async def test_a_task_that_is_cancelled_in_a_command_ends(servers: Servers) -> None:
    async with Bus(_settings(servers.redis_uri)) as bus:
        assert all([await _cancel_at(steps, bus) for steps in range(60)])


async def test_a_subscription_outlives_a_connection_that_breaks_while_it_is_asked_for(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, heard = PubSub.connect, list[bytes | None]()
    asked, may_go_on = asyncio.Event(), asyncio.Event()

    async def held_up(pubsub: PubSub) -> None:
        await connect(pubsub)  # type: ignore[no-untyped-call]
        if asyncio.current_task() is listening:
            asked.set()
            await may_go_on.wait()

    async with (
        Bus(_settings(servers.redis_uri)) as bus,
        Redis.from_url(servers.redis_uri) as client,
        bus.subscriptions() as subscriptions,
    ):

        async def listen() -> None:
            async with subscriptions.listen("second", heard.append):
                await until(is_heard)
                assert len(await client.client_list(_type="pubsub")) == others + 1

        async def is_heard() -> bool:
            await bus.publish([("second", b"said")])
            return b"said" in heard

        async def is_broken() -> bool:
            return not subscriptions.is_connected

        others = len(await client.client_list(_type="pubsub"))
        async with subscriptions.listen("first", heard.append):
            monkeypatch.setattr(PubSub, "connect", held_up)
            listening = asyncio.create_task(listen())
            await asked.wait()
            await client.client_kill_filter(_type="pubsub")
            await until(is_broken)
            for _ in range(50):
                await asyncio.sleep(0)
            may_go_on.set()
            await listening


@asynccontextmanager
async def _far(servers: Servers) -> AsyncIterator[tuple[Proxy, Bus]]:
    """A bus whose way to Redis may break, at an address that is its own."""
    server = urlsplit(servers.redis_uri).netloc.rpartition("@")[2]
    async with (
        proxy_of(server) as proxy,
        Bus(_settings(servers.redis_uri.replace(server, proxy.address))) as bus,
    ):
        yield proxy, bus


def _said(caplog: pytest.LogCaptureFixture, server: str, action: str) -> list[logging.LogRecord]:
    """Of one server: other buses of this process have their say too."""
    told = [(record, vars(record)) for record in caplog.records]
    return [record for record, said in told if said.get("action") == action and said.get("server") == server]


async def test_redis_going_and_coming_back_are_said_once_each(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        _far(servers) as (proxy, bus),
        bus.subscriptions() as subscriptions,
        subscriptions.listen("channel", lambda _: None),
    ):
        waiter = bus.waiter()
        proxy.refusing = True
        proxy.cut()
        for _ in range(20):
            assert not await bus.publish([("channel", b"")])
            await bus.wake(["graph"])
        assert not await waiter.pop(["nothing"], 0.1)
        assert len(_said(caplog, proxy.address, "redis_unavailable")) == 1
        proxy.refusing = False

        async def is_back() -> bool:
            await bus.publish([("channel", b"")])
            return bool(_said(caplog, proxy.address, "redis_back"))

        await until(is_back)
        await waiter.aclose()
    (back,) = _said(caplog, proxy.address, "redis_back")
    assert len(_said(caplog, proxy.address, "redis_unavailable")) == 1
    assert vars(back)["failed"] >= 41


async def test_redis_is_not_back_while_some_of_its_commands_fail(
    servers: Servers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        _far(servers) as (proxy, bus),
        Redis.from_url(servers.redis_uri) as client,
    ):
        await client.set(bus.keys.wake("graph"), "no list")
        for _ in range(20):
            await bus.wake(["graph"])
            assert await bus.publish([("channel", b"")])
        assert len(_said(caplog, proxy.address, "redis_unavailable")) == 1
        assert not _said(caplog, proxy.address, "redis_back")
        await client.delete(bus.keys.wake("graph"))


async def test_a_pop_that_is_late_does_not_say_that_redis_is_away(
    servers: Servers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)

    async def held_up(*_: object) -> None:
        # As where users' code has blocked the loop: the answer is there, and nobody has looked.
        await asyncio.Event().wait()

    monkeypatch.setattr(Redis, "blpop", held_up)
    async with _far(servers) as (proxy, bus):
        waiter = bus.waiter()
        assert not await waiter.pop(["list"], 0.1)
        await waiter.aclose()
        assert not _said(caplog, proxy.address, "redis_unavailable")


async def test_a_subscription_that_broke_is_replaced_by_one_connection(servers: Servers) -> None:
    heard = list[bytes | None]()
    async with (
        _far(servers) as (proxy, bus),
        Redis.from_url(servers.redis_uri) as client,
        bus.subscriptions() as subscriptions,
        subscriptions.listen("first", heard.append),
    ):

        async def is_heard() -> bool:
            await client.publish("first", b"said")
            return b"said" in heard

        # Somebody comes to another channel at each moment between the end of the old one and its replacement.
        for steps in range(12):
            heard.clear()
            before = proxy.accepted
            proxy.cut()
            for _ in range(steps):
                await asyncio.sleep(0)
            async with subscriptions.listen("second", heard.append):
                await until(is_heard)
            assert proxy.accepted == before + 1, steps
