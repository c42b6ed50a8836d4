"""WaitRun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from redis.asyncio import Redis as RedisClient

from runwire.api.stream.v1.stream_pb2 import WaitRunRequest, WaitRunResponse
from runwire.api.type.v1 import run_pb2
from runwire.core.bus import Keys
from runwire.core.ids import DEFAULT_TENANT, RunKey, new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from tests.harness.waiting import until
from tests.stream.conftest import stream_process
from tests.stream.producer import Producer

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub

LIMIT = 10.0
LONG = Duration(seconds=60)
NOT_AT_ALL = Duration()


class _Wait:
    """A WaitRun call."""

    def __init__(self, stub: StreamServiceAsyncStub, run_id: UUID, timeout: Duration = LONG) -> None:
        self._run_id = run_id
        self._call: Any = stub.WaitRun(WaitRunRequest(run_id=str(run_id), timeout=timeout))

    async def begun(self, settings: Settings) -> Self:
        """Waits until the server listens to the run."""
        channel = Keys(settings.redis_prefix).events(RunKey(DEFAULT_TENANT, self._run_id))
        async with RedisClient.from_url(settings.redis_uri) as client:

            async def listens() -> bool:
                return bool(await client.pubsub_numsub(channel) == [(channel.encode(), 1)])

            await until(listens, within=LIMIT)
        return self

    async def answer(self) -> WaitRunResponse:
        async with asyncio.timeout(LIMIT):
            response: WaitRunResponse = await self._call
            return response


async def test_a_run_that_has_ended_comes_at_once_with_its_output(
    producer: Producer, stub: StreamServiceAsyncStub
) -> None:
    attempt = await producer.begin(thread_id="t")
    output = '{"b": 12345678901234567890123, "a":  1.0}'
    await attempt.finish(output=output)
    response = await _Wait(stub, attempt.run_id).answer()
    assert response.run.run_id == str(attempt.run_id)
    assert response.run.thread_id == "t"
    assert response.run.status == run_pb2.RUN_STATUS_SUCCESS
    assert response.output.text == output
    assert not response.interrupts


@pytest.fixture
async def listener(settings: Settings) -> AsyncIterator[StreamServiceAsyncStub]:
    """A stub of a process that looks at a run only when it has heard something of it."""
    async with stream_process(settings.model_copy(update={"poll_interval": timedelta(seconds=60)})) as made:
        yield made


async def test_a_wait_ends_with_the_run(
    producer: Producer, listener: StreamServiceAsyncStub, settings: Settings
) -> None:
    attempt = await producer.begin()
    waiting = await _Wait(listener, attempt.run_id).begun(settings)
    await attempt.started()
    await attempt.finish(output="1")
    assert (await waiting.answer()).output.text == "1"


async def test_a_wait_ends_with_a_run_whose_end_was_not_heard(
    producer: Producer, stub: StreamServiceAsyncStub, settings: Settings
) -> None:
    attempt = await producer.begin()
    waiting = await _Wait(stub, attempt.run_id).begun(settings)
    await attempt.finish(publish=False)
    assert (await waiting.answer()).run.status == run_pb2.RUN_STATUS_SUCCESS


async def test_a_wait_ends_when_a_pending_run_is_cancelled(
    producer: Producer, listener: StreamServiceAsyncStub, settings: Settings
) -> None:
    run_id = await producer.create()
    waiting = await _Wait(listener, run_id).begun(settings)
    await producer.cancel(run_id)
    response = await waiting.answer()
    assert response.run.status == run_pb2.RUN_STATUS_CANCELLED
    assert not response.HasField("output")


async def test_interrupts_come_with_their_values_as_they_are(producer: Producer, stub: StreamServiceAsyncStub) -> None:
    attempt = await producer.begin()
    interrupts = [
        '{"id":"i1","value":{"n": 12345678901234567890123},"ns":["a:1","b:2"]}',
        '{"id":"i2","value":null,"ns":[],"response_schema":{"type": "null"}}',
        '{"id":"i3"}',
    ]
    await attempt.finish("interrupted", output="{}", interrupts=f"[{','.join(interrupts)}]")
    response = await _Wait(stub, attempt.run_id).answer()
    assert response.output.text == "{}"
    first, second, third = response.interrupts
    assert (first.interrupt_id, first.value.text, list(first.namespace)) == (
        "i1",
        '{"n": 12345678901234567890123}',
        ["a:1", "b:2"],
    )
    assert (second.interrupt_id, second.value.text, list(second.namespace)) == ("i2", "null", [])
    assert (second.response_schema.text, third.HasField("response_schema")) == ('{"type": "null"}', False)
    assert (third.interrupt_id, third.HasField("value")) == ("i3", False)


async def test_a_failed_run_is_an_answer(producer: Producer, stub: StreamServiceAsyncStub) -> None:
    attempt = await producer.begin()
    await attempt.finish("error", error=("ValueError", "no"))
    response = await _Wait(stub, attempt.run_id).answer()
    assert (response.run.error.type, response.run.error.message) == ("ValueError", "no")
    assert not response.HasField("output")


async def test_at_the_deadline_the_run_comes_as_it_is(producer: Producer, stub: StreamServiceAsyncStub) -> None:
    attempt = await producer.begin()
    response = await _Wait(stub, attempt.run_id, Duration(nanos=300_000_000)).answer()
    assert response.run.status == run_pb2.RUN_STATUS_RUNNING
    assert not response.run.HasField("finish_time")


async def test_without_time_it_looks_once(producer: Producer, stub: StreamServiceAsyncStub) -> None:
    run_id = await producer.create()
    assert (await _Wait(stub, run_id, NOT_AT_ALL).answer()).run.status == run_pb2.RUN_STATUS_PENDING


async def test_a_wait_is_not_cut_off_by_the_time_limit_of_other_calls(producer: Producer, settings: Settings) -> None:
    settings = settings.model_copy(update={"call_timeout": timedelta(seconds=0.2)})
    async with stream_process(settings) as stub:
        attempt = await producer.begin()
        response = await _Wait(stub, attempt.run_id, Duration(seconds=1)).answer()
        assert response.run.status == run_pb2.RUN_STATUS_RUNNING


async def test_a_run_that_is_not_there_is_not_found(stub: StreamServiceAsyncStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await _Wait(stub, new_uuid()).answer()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_run_that_is_rolled_back_meanwhile_is_not_found(
    producer: Producer, stub: StreamServiceAsyncStub, settings: Settings
) -> None:
    attempt = await producer.begin(thread_id="t")
    waiting = await _Wait(stub, attempt.run_id).begun(settings)
    assert await producer.cancel(attempt.run_id, "rollback") == "requested"
    await producer.release(attempt)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await waiting.answer()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_run_that_is_deleted_after_its_end_before_that_was_heard_is_not_found(
    producer: Producer, stub: StreamServiceAsyncStub, settings: Settings, pool: Pool
) -> None:
    attempt = await producer.begin(thread_id="t")
    waiting = await _Wait(stub, attempt.run_id).begun(settings)
    async with pool.acquire() as connection, connection.transaction():
        # Nobody sees the end without the deletion.
        await connection.execute(
            "UPDATE runs SET status = 'success', worker_id = NULL, executor = NULL, finished_at = now()"
            " WHERE run_id = $1",
            attempt.run_id,
        )
        await connection.execute("DELETE FROM runs WHERE run_id = $1", attempt.run_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await waiting.answer()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
