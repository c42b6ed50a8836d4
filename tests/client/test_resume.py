"""Streams and waits across broken connections, through a proxy that breaks them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Literal

import pytest

from runwire.client import Client, channel_options, connect, connect_sync, errors, events, patience
from tests.client.conftest import LONG, Addresses, three
from tests.harness.platform import Platform, new_thread
from tests.harness.proxy import Proxy, proxy_of
from tests.harness.waiting import until

TOKENS = 60


@pytest.fixture
async def proxy(platform: Platform) -> AsyncIterator[Proxy]:
    async with proxy_of(platform.addresses["stream"]) as made:
        yield made


@pytest.fixture
async def client(platform: Platform, proxy: Proxy) -> AsyncIterator[Client]:
    """Its streams go through the proxy."""
    async with connect(**through(proxy, platform, "stream")) as made:
        yield made


def through(proxy: Proxy, platform: Platform, service: Literal["dispatch", "stream"]) -> Addresses:
    """The addresses, with the proxy before one of the services."""
    addresses = three(platform)
    addresses[service] = proxy.address
    return addresses


def tokens(seen: list[events.Event]) -> list[int]:
    return [event.data["token"] for event in seen if isinstance(event, events.Custom)]


async def test_each_event_comes_once_although_the_connection_breaks(client: Client, proxy: Proxy) -> None:
    seen = []
    given = {"tokens": TOKENS, "delay": 0.01}
    async for event in client.runs.stream(None, "tokens", input=given, stream_mode="custom"):
        seen.append(event)
        if len(seen) % 20 == 10:
            proxy.cut()
    assert tokens(seen) == list(range(TOKENS))
    assert [type(seen[0]), type(seen[-1])] == [events.Started, events.Finished]
    assert proxy.accepted >= 4


async def test_a_stream_on_a_connection_that_fell_silent_goes_on_with_another(
    platform: Platform, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_twentieth = [(name, value // 20 if _is_of_keepalive(name) else value) for name, value in channel_options()]
    monkeypatch.setattr("runwire.client.client.channel_options", lambda: at_a_twentieth)
    async with connect(**through(proxy, platform, "stream")) as client, asyncio.timeout(20):
        seen = []
        given = {"tokens": TOKENS, "delay": 0.01}
        async for event in client.runs.stream(None, "tokens", input=given, stream_mode="custom"):
            seen.append(event)
            if len(seen) == 10:
                proxy.silence()
    assert tokens(seen) == list(range(TOKENS))
    assert proxy.accepted == 2


def _is_of_keepalive(option: str) -> bool:
    return "keepalive" in option or "ping" in option


async def test_the_synchronous_client_mends_its_streams_too(platform: Platform, proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()

    def follow() -> list[events.Event]:
        seen = []
        given = {"tokens": TOKENS, "delay": 0.01}
        with connect_sync(**through(proxy, platform, "stream")) as client:
            for event in client.runs.stream(None, "tokens", input=given, stream_mode="custom"):
                seen.append(event)
                if len(seen) == 20:
                    loop.call_soon_threadsafe(proxy.cut)
        return seen

    assert tokens(await asyncio.to_thread(follow)) == list(range(TOKENS))
    assert proxy.accepted >= 2


async def test_a_wait_survives_a_broken_connection(client: Client, proxy: Proxy) -> None:
    run = await client.runs.create(None, "tokens", input={"tokens": 30, "delay": 0.02}, stream_mode="custom")
    waiting = asyncio.create_task(client.runs.join(run.run_id))
    async with aclosing(client.runs.join_stream(run.run_id)) as stream:
        async for event in stream:
            if isinstance(event, events.Custom):
                break
    proxy.cut()
    assert (await waiting).run.status == "success"


async def test_a_stream_gives_up_when_the_server_stays_away(
    client: Client, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_TRIES", 2)
    run = await client.runs.create(None, "tokens", input=LONG, stream_mode="updates")
    following = client.runs.join_stream(run.run_id, heartbeats=True, heartbeat_interval=1)
    await anext(following)
    proxy.refusing = True
    proxy.cut()
    with pytest.raises(errors.Unavailable):
        await anext(following)
    await client.runs.cancel(run.run_id, wait=False)


async def test_a_run_whose_answer_was_lost_is_created_once(platform: Platform) -> None:
    thread_id = new_thread()

    async def created() -> int:
        count: int = await platform.pool.fetchval("SELECT count(*) FROM runs WHERE thread_id = $1", thread_id)
        return count

    async with (
        proxy_of(platform.addresses["dispatch"]) as proxy,
        connect(**through(proxy, platform, "dispatch")) as client,
    ):
        with pytest.raises(errors.NotFound):
            await client.runs.get(new_thread())
        proxy.losing = True
        creating = asyncio.create_task(client.runs.create(thread_id, "echo", input={}, if_not_exists="create"))
        await until(created)
        proxy.losing = False
        proxy.cut()
        run = await creating
        assert [each.run_id for each in await client.runs.list(thread_id)] == [run.run_id]


async def test_a_refusal_is_not_repeated(client: Client, proxy: Proxy) -> None:
    with pytest.raises(errors.NotFound):
        await anext(client.runs.join_stream(new_thread()))
    assert proxy.accepted == 1


def test_progress_counts_the_tries_anew() -> None:
    broken = errors.Unavailable("away")
    patient = patience.Patience()
    for _ in range(3):
        pauses = [patient.pause(broken) for _ in range(patience._TRIES)]
        assert pauses[0] <= 0.1 < pauses[-1] <= 5
        patient.progress()
    for _ in range(patience._TRIES):
        patient.pause(broken)
    with pytest.raises(errors.Unavailable):
        patient.pause(broken)


@pytest.mark.parametrize(
    "error",
    [
        errors.NotFound("gone", reason="RUN_NOT_FOUND"),
        errors.OutOfRange("late", reason="EVENTS_EXPIRED"),
        errors.Internal("bug", reason="INTERNAL"),
        errors.InvalidArgument("wrong"),
    ],
)
def test_what_would_fail_again_is_raised_at_once(error: errors.RunwireError) -> None:
    with pytest.raises(type(error)):
        patience.Patience().pause(error)


def test_a_pause_is_as_long_as_the_server_asks() -> None:
    away = errors.Unavailable("away", reason="NO_WORKER", retry_after=timedelta(seconds=7))
    assert patience.Patience().pause(away) == 7
