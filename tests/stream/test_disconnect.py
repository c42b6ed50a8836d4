"""cancel_on_disconnect: a run whose reader was cut off is cancelled, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import grpc
import pytest

from runwire.api.stream.v1 import stream_pb2
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import server
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.stream.__main__ import running
from tests.harness.proxy import proxy_of
from tests.stream.conftest import Follow, stream_process
from tests.stream.producer import Producer
from tests.stream.reader import Reader

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub


@asynccontextmanager
async def _hearing(bus: Bus, channel: str) -> AsyncIterator[asyncio.Queue[bytes | None]]:
    """What is published on a channel."""
    heard: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with bus.subscriptions() as subscriptions, subscriptions.listen(channel, heard.put_nowait) as acknowledged:
        assert acknowledged
        yield heard


async def _becomes(pool: Pool, run_id: UUID, column: str, value: str, within: float = 5) -> None:
    async with asyncio.timeout(within):
        while await pool.fetchval(f"SELECT {column} FROM runs WHERE run_id = $1", run_id) != value:
            await asyncio.sleep(0.01)


async def _untouched(pool: Pool, run_id: UUID) -> None:
    row = await pool.fetchrow("SELECT status, cancel_action FROM runs WHERE run_id = $1", run_id)
    assert row is not None
    assert tuple(row) == ("running", None)


async def test_a_running_runs_worker_is_told_when_its_reader_leaves(
    producer: Producer, follow: Follow, pool: Pool, bus: Bus
) -> None:
    attempt = await producer.begin()
    worker_id = await pool.fetchval("SELECT worker_id FROM runs WHERE run_id = $1", attempt.run_id)
    async with _hearing(bus, bus.keys.control(worker_id)) as heard:
        reader = await follow(attempt.run_id, cancel_on_disconnect=True).joined()
        await attempt.started()
        await reader.has("1-1")
        reader.call.cancel()
        async with asyncio.timeout(5):
            assert await heard.get() == f"{attempt.run_id} interrupt".encode()
    await _becomes(pool, attempt.run_id, "cancel_action", "interrupt")


async def test_a_pending_run_ends_when_its_reader_leaves(producer: Producer, follow: Follow, pool: Pool) -> None:
    run_id = await producer.create(thread_id="t")
    behind = await producer.create(thread_id="t")
    other = await follow(run_id).joined()
    reader = await follow(run_id, cancel_on_disconnect=True).joined()
    reader.call.cancel()
    await other.end()
    assert other.kinds == ["finished"]
    assert await pool.fetchval("SELECT ready FROM runs WHERE run_id = $1", behind)


async def test_a_lost_connection_cancels(producer: Producer, pool: Pool, settings: Settings) -> None:
    attempt = await producer.begin()
    async with running(settings) as port:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            await Reader(StreamServiceStub(channel), attempt.run_id, cancel_on_disconnect=True).joined()
        await _becomes(pool, attempt.run_id, "cancel_action", "interrupt")


async def test_a_connection_that_falls_silent_cancels(
    producer: Producer, pool: Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_KEEPALIVE_MS", 1_000)
    monkeypatch.setattr(server, "_PING_TIMEOUT_MS", 500)
    attempt = await producer.begin()
    async with (
        running(settings) as port,
        proxy_of(f"127.0.0.1:{port}") as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
        Reader(StreamServiceStub(channel), attempt.run_id, cancel_on_disconnect=True) as reader,
    ):
        await reader.joined()
        proxy.silence()
        await _becomes(pool, attempt.run_id, "cancel_action", "interrupt", within=15)


async def test_a_deadline_of_the_caller_cancels(producer: Producer, stub: StreamServiceAsyncStub, pool: Pool) -> None:
    attempt = await producer.begin()
    request = stream_pb2.StreamRunRequest(run_id=str(attempt.run_id), cancel_on_disconnect=True)
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async for _ in stub.StreamRun(request, timeout=0.3):
            pass
    assert ended.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    await _becomes(pool, attempt.run_id, "cancel_action", "interrupt")


async def test_a_reader_that_reads_nothing_and_leaves_cancels(
    producer: Producer, stub: StreamServiceAsyncStub, pool: Pool
) -> None:
    attempt = await producer.begin()
    reader = await Reader(stub, attempt.run_id, cancel_on_disconnect=True).joined()
    reader.may_read.clear()
    await attempt.started()
    for _ in range(100):
        large = stream_pb2.Custom(data=Json(text="1" * 200_000))
        await attempt.emit(attempt.event(custom=large))
    reader.call.cancel()
    await _becomes(pool, attempt.run_id, "cancel_action", "interrupt")


async def test_a_reader_that_did_not_ask_for_it_cancels_nothing(producer: Producer, follow: Follow, pool: Pool) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    reader.call.cancel()
    # What comes later on the same connection is dealt with later.
    pending = await producer.create()
    asking = await follow(pending, cancel_on_disconnect=True).joined()
    asking.call.cancel()
    await _becomes(pool, pending, "status", "cancelled")
    await _untouched(pool, attempt.run_id)


async def test_a_stream_that_came_to_its_end_leaves_the_outcome_alone(
    producer: Producer, follow: Follow, pool: Pool
) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id, cancel_on_disconnect=True).joined()
    await attempt.started()
    await attempt.finish()
    await reader.end()
    row = await pool.fetchrow("SELECT status, cancel_action FROM runs WHERE run_id = $1", attempt.run_id)
    assert row is not None
    assert tuple(row) == ("success", None)


async def test_an_error_of_the_server_cancels_nothing(producer: Producer, follow: Follow, pool: Pool) -> None:
    attempt = await producer.begin()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(attempt.run_id, cancel_on_disconnect=True, after_event_id="7-7").end()
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    await _untouched(pool, attempt.run_id)


async def test_a_run_that_is_not_there_is_not_found_all_the_same(follow: Follow) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(new_uuid(), cancel_on_disconnect=True).end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("reads", [True, False])
async def test_a_process_that_drains_cancels_nothing(
    producer: Producer, pool: Pool, settings: Settings, reads: bool
) -> None:
    settings = settings.model_copy(update={"shutdown_grace": timedelta(seconds=1)})
    attempt = await producer.begin()
    async with stream_process(settings) as stub:
        reader = await Reader(stub, attempt.run_id, cancel_on_disconnect=True).joined()
        await attempt.started()
        await reader.has("1-1")
        if not reads:
            reader.may_read.clear()
            for _ in range(50):
                large = stream_pb2.Custom(data=Json(text="1" * 200_000))
                await attempt.emit(attempt.event(custom=large))
    await _untouched(pool, attempt.run_id)


async def test_a_cancel_waits_for_postgres_to_come_back(producer: Producer, follow: Follow, pool: Pool) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id, cancel_on_disconnect=True).joined()
    await pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'runwire-stream'"
    )
    reader.call.cancel()
    await _becomes(pool, attempt.run_id, "cancel_action", "interrupt")
