"""StreamRun while Redis, Postgres, readers and the process itself fail: nothing is lost, or it is said."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from redis.asyncio import Redis as RedisClient

from runwire.api.stream.v1 import stream_pb2
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.embedded import Postgres, Redis
from runwire.stream.__main__ import running
from runwire.stream.fanout import Fanout, LiveQueue
from runwire.stream.follow import Follower, Plan
from runwire.stream.log import Log
from runwire.stream.position import START
from runwire.stream.selection import Selection
from tests.stream.conftest import Follow, stream_process
from tests.stream.producer import Attempt, Producer, play_until
from tests.stream.reader import Reader

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub


def _whole(reader: Reader, attempt: Attempt) -> None:
    assert reader.ids == attempt.sent
    assert "gap" not in reader.kinds


@pytest.mark.parametrize("seed", range(3))
async def test_killed_subscriptions_lose_nothing(
    producer: Producer, follow: Follow, settings: Settings, seed: int
) -> None:
    rng = random.Random(seed)
    attempt = await producer.begin()
    readers = [await follow(attempt.run_id).joined() for _ in range(5)]
    stop = asyncio.Event()
    playing = asyncio.create_task(play_until(attempt, rng, stop))
    async with RedisClient.from_url(settings.redis_uri) as client:
        for kills in range(1, 4):
            await client.client_kill_filter(_type="pubsub")
            passed = attempt.seq + 150 * kills
            await readers[0].until(lambda r, passed=passed: len(r.ids) > passed)  # type: ignore[misc]
            readers.append(follow(attempt.run_id))
    stop.set()
    await playing
    for reader in readers:
        _whole(await reader.end(), attempt)


async def test_a_stream_lives_through_the_death_of_redis(pool: Pool, settings: Settings, own_redis: Redis) -> None:
    settings = settings.model_copy(update={"redis_uri": own_redis.uri})
    async with Bus(settings) as bus, stream_process(settings) as stub:
        attempt = await Producer(pool, bus, settings).begin()
        early = await Reader(stub, attempt.run_id).joined()
        stop = asyncio.Event()
        playing = asyncio.create_task(play_until(attempt, random.Random(1), stop))
        await early.until(lambda r: len(r.ids) > 50)
        await own_redis.kill()
        dark = attempt.seq + 10
        await early.until(lambda r: len(r.ids) > dark)
        joined_in_the_dark = await Reader(stub, attempt.run_id).until(lambda r: len(r.ids) > dark)
        await own_redis.start()
        bright = attempt.seq + 200
        for reader in (early, joined_in_the_dark):
            await reader.until(lambda r: len(r.ids) > bright)
        stop.set()
        await playing
        for reader in (early, joined_in_the_dark):
            _whole(await reader.end(), attempt)


async def test_a_run_that_ends_while_redis_is_dead_ends_its_streams(
    pool: Pool, settings: Settings, own_redis: Redis
) -> None:
    settings = settings.model_copy(update={"redis_uri": own_redis.uri})
    async with Bus(settings) as bus, stream_process(settings) as stub:
        attempt = await Producer(pool, bus, settings).begin()
        reader = await Reader(stub, attempt.run_id).joined()
        await attempt.started()
        await reader.has("1-1")
        waiting = asyncio.ensure_future(stub.WaitRun(stream_pb2.WaitRunRequest(run_id=str(attempt.run_id))))
        await own_redis.kill()
        await attempt.finish()
        _whole(await reader.end(), attempt)
        assert (await waiting).run.HasField("finish_time")


async def test_terminated_postgres_connections_lose_nothing(producer: Producer, follow: Follow, pool: Pool) -> None:
    attempt = await producer.begin()
    readers = [await follow(attempt.run_id).joined()]
    stop = asyncio.Event()
    playing = asyncio.create_task(play_until(attempt, random.Random(2), stop))
    for _ in range(30):
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'runwire-stream'"
        )
        passed = attempt.seq + 10
        await readers[0].until(lambda r, passed=passed: len(r.ids) > passed)  # type: ignore[misc]
        readers.append(follow(attempt.run_id))
    stop.set()
    await playing
    for reader in readers:
        _whole(await reader.end(), attempt)


@pytest.mark.slow
async def test_a_stream_lives_through_a_restart_of_postgres(settings: Settings, own_postgres: Postgres) -> None:
    settings = settings.model_copy(update={"database_uri": own_postgres.uri})
    async with (
        asyncpg.create_pool(own_postgres.uri, min_size=1, max_size=4) as pool,
        Bus(settings) as bus,
        stream_process(settings) as stub,
    ):
        attempt = await Producer(pool, bus, settings).begin()
        live = await Reader(stub, attempt.run_id, heartbeat_interval=Duration(seconds=1)).joined()
        async with attempt.flushing():
            await attempt.started()
            await live.has("1-1")
            await own_postgres.kill()
            await attempt.custom()
            await live.has("1-2")
            await live.until(lambda r: "heartbeat" in r.kinds)
            refused = Reader(stub, attempt.run_id)
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await refused.end()
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE
            await own_postgres.start()
            late = Reader(stub, attempt.run_id)
            await attempt.custom(publish=False)
            await live.has("1-3")
            await attempt.finish()
        _whole(await live.end(), attempt)
        _whole(await late.end(), attempt)


def _large(attempt: Attempt) -> stream_pb2.RunEvent:
    return attempt.event(custom=stream_pb2.Custom(data=Json(text="1" * 10_000)))


async def test_a_slow_readers_queue_stays_small_and_it_gets_everything(
    producer: Producer, pool: Pool, bus: Bus, settings: Settings
) -> None:
    limit = 100_000
    attempt = await producer.begin()
    queue = LiveQueue(limit)
    largest = 0
    async with Fanout(bus) as fanout, fanout.join(RunKey(DEFAULT_TENANT, attempt.run_id), queue) as channel:
        plan = Plan(after=START, selection=Selection(), heartbeat=15, flush=0.1, poll=0.5)
        follower = Follower(Log(pool, DEFAULT_TENANT, attempt.run_id), queue, channel, plan)
        responses = follower.responses()
        async with attempt.flushing():
            await attempt.started()
            received = list(stream_pb2.StreamRunResponse.FromString(await anext(responses)).events)
            for number in range(800):
                await attempt.emit(_large(attempt))
                largest = max(largest, queue.size)
                if number % 100 == 50:
                    received += stream_pb2.StreamRunResponse.FromString(await anext(responses)).events
            await attempt.finish()
        async for response in responses:
            largest = max(largest, queue.size)
            received += stream_pb2.StreamRunResponse.FromString(response).events
    assert [event.event_id for event in received] == attempt.sent
    assert 50_000 < largest <= limit + 20_000


async def test_a_stalled_reader_holds_nobody_up(pool: Pool, bus: Bus, settings: Settings) -> None:
    settings = settings.model_copy(update={"reader_buffer_bytes": 64 * 1024})
    async with stream_process(settings) as stub:
        attempt = await Producer(pool, bus, settings).begin()
        stalled, quick = Reader(stub, attempt.run_id), Reader(stub, attempt.run_id)
        stalled.may_read.clear()
        await stalled.joined()
        await quick.joined()
        async with attempt.flushing():
            await attempt.started()
            for _ in range(1500):
                await attempt.emit(_large(attempt))
            await attempt.finish()
        _whole(await quick.end(), attempt)
        assert len(stalled.ids) < len(quick.ids)
        stalled.may_read.set()
        _whole(await stalled.end(), attempt)


async def test_a_stream_that_is_broken_off_leaves_nothing_behind(
    producer: Producer, settings: Settings, stub: StreamServiceAsyncStub
) -> None:
    attempt = await producer.begin()
    channel = producer.bus.keys.events(RunKey(DEFAULT_TENANT, attempt.run_id))
    async with RedisClient.from_url(settings.redis_uri) as client:
        async with Reader(stub, attempt.run_id) as reader:
            await reader.joined()
            assert await client.pubsub_numsub(channel) == [(channel.encode(), 1)]
        async with asyncio.timeout(5):
            while await client.pubsub_numsub(channel) != [(channel.encode(), 0)]:
                await asyncio.sleep(0.01)


async def test_many_streams_share_one_connection(producer: Producer, follow: Follow, settings: Settings) -> None:
    async with RedisClient.from_url(settings.redis_uri) as client:
        attempts = [await producer.begin() for _ in range(10)]
        readers = [await follow(attempt.run_id).joined() for attempt in attempts for _ in range(5)]
        connections = [c for c in await client.client_list() if int(c["sub"]) > 0]
        mine = [c for c in connections if int(c["sub"]) == len(attempts)]
        assert len(mine) == 1
        for attempt in attempts:
            await attempt.started()
            await attempt.finish()
        for reader in readers:
            assert (await reader.end()).ids == ["1-1", "1-2"]


async def test_a_stream_that_says_it_listens_has_subscribed(
    producer: Producer, follow: Follow, settings: Settings
) -> None:
    async with RedisClient.from_url(settings.redis_uri) as client:
        for _ in range(10):
            attempt = await producer.begin()
            await follow(attempt.run_id).joined()
            channel = producer.bus.keys.events(RunKey(DEFAULT_TENANT, attempt.run_id))
            assert await client.pubsub_numsub(channel) == [(channel.encode(), 1)]


async def test_many_readers_of_one_run_share_one_subscription(
    producer: Producer, follow: Follow, settings: Settings
) -> None:
    attempt = await producer.begin()
    channel = producer.bus.keys.events(RunKey(DEFAULT_TENANT, attempt.run_id))
    async with RedisClient.from_url(settings.redis_uri) as client:
        before = {c["id"] for c in await client.client_list()}
        readers = [follow(attempt.run_id) for _ in range(200)]
        for reader in readers:
            await reader.joined()
        assert await client.pubsub_numsub(channel) == [(channel.encode(), 1)]
        came = [c for c in await client.client_list() if c["id"] not in before]
        assert [c["sub"] for c in came] == ["1"]
    await attempt.started()
    await attempt.finish()
    for reader in readers:
        _whole(await reader.end(), attempt)


async def test_a_process_that_drains_ends_its_streams(producer: Producer, settings: Settings) -> None:
    settings = settings.model_copy(update={"shutdown_grace": timedelta(seconds=5)})
    attempt = await producer.begin()
    request = stream_pb2.WaitRunRequest(run_id=str(attempt.run_id))
    async with asyncio.timeout(4), running(settings) as port:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        stub: StreamServiceAsyncStub = StreamServiceStub(channel)
        reader = await Reader(stub, attempt.run_id).joined()
        waiting = asyncio.ensure_future(stub.WaitRun(request))
        await attempt.started()
        await reader.has("1-1")
    for ended in (reader.end(), waiting):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await ended
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "shutting down" in (error.value.details() or "")
    await channel.close()
    async with stream_process(settings) as stub:
        await attempt.finish()
        resumed = await Reader(stub, attempt.run_id, after_event_id=reader.ids[-1]).end()
        assert reader.ids + resumed.ids == attempt.sent


async def test_bytes_that_no_worker_sends_do_no_harm(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await producer.bus.publish([(producer.bus.keys.events(RunKey(DEFAULT_TENANT, attempt.run_id)), b"\x0a\xff")])
    await attempt.finish()
    _whole(await reader.end(), attempt)


@pytest.mark.parametrize("seed", range(4))
async def test_under_random_losses_every_logged_event_arrives_once_and_in_order(
    producer: Producer, follow: Follow, seed: int
) -> None:
    rng = random.Random(seed)
    run_id = await producer.create()
    readers = [follow(run_id)]
    sent: list[str] = []
    for attempt_number in range(3):
        attempt = await producer.claim(run_id)
        async with attempt.flushing():
            await attempt.started(publish=rng.random() > 0.3)
            for _ in range(rng.randrange(20, 150)):
                size = rng.choice([1, 1, 5])
                await attempt.emit(*[attempt.mixed(rng) for _ in range(size)], publish=rng.random() > 0.1)
                await asyncio.sleep(rng.choice([0, 0.001, 0.004]))
                if rng.random() < 0.1:
                    readers.append(follow(run_id))
        await attempt.flush()
        if attempt_number == 2:
            await attempt.finish(publish=rng.random() > 0.5)
        else:
            await producer.release(attempt)
        sent += attempt.sent
    for number, reader in enumerate(readers):
        await reader.end()
        assert reader.ids == sent, f"seed {seed}, reader {number} of {len(readers)}"
        assert "gap" not in reader.kinds, f"seed {seed}, reader {number}"
