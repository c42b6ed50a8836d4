"""StreamService."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import grpc
import redis.asyncio
from google.protobuf.duration_pb2 import Duration

import runwire.stream.__main__ as stream
from runwire.api.stream.v1.stream_pb2 import StreamRunRequest, StreamThreadRequest, WaitRunRequest
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1.run_pb2 import RUN_STATUS_SUCCESS, Run
from runwire.core.bus import Keys
from runwire.core.ids import DEFAULT_TENANT, RunKey
from tests.contract.scenarios.runs import ended_run, waiting_run
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listings,
    Provoked,
    Successes,
    ask,
    refused,
    rpc_of,
    unique,
    wrong,
)
from tests.contract.scenarios.threads import made_thread
from tests.harness.platform import Platform, kinds, output
from tests.harness.waiting import until

# Successes


async def _streams(platform: Platform) -> Any:
    run = await ended_run(platform)
    events = await platform.events(run.run_id)
    assert (kinds(events)[0], kinds(events)[-1]) == ("started", "finished")
    assert events[-1].finished.status == RUN_STATUS_SUCCESS
    response = await ask(platform, StreamRunRequest(run_id=run.run_id))
    assert list(response.events) == events[: len(response.events)]
    return response


async def _streams_thread(platform: Platform) -> Any:
    thread = await made_thread(platform)
    call = platform.stream.StreamThread(StreamThreadRequest(thread_id=thread.thread_id))
    await call.initial_metadata()
    run = await platform.create("echo", {"text": "hi"}, thread=thread.thread_id)
    response = await call.read()
    call.cancel()
    assert (response.events[0].run_id, response.events[0].WhichOneof("payload")) == (run.run_id, "started")
    return response


async def _waits(platform: Platform) -> Any:
    run = await platform.create("echo", {"text": "hi"})
    response = await ask(platform, WaitRunRequest(run_id=run.run_id))
    assert (response.run.run_id, response.run.status) == (run.run_id, RUN_STATUS_SUCCESS)
    assert output(response) == {"text": "echo: hi"}
    return response


SUCCESSES: Successes = {"StreamRun": _streams, "StreamThread": _streams_thread, "WaitRun": _waits}

# Errors


async def _expire(platform: Platform, run: Run) -> None:
    """What the clockwork does with a run's events at the end of their retention."""
    await platform.pool.execute("UPDATE runs SET events_expired = true WHERE run_id = $1", UUID(run.run_id))
    await platform.pool.execute("DELETE FROM run_events WHERE run_id = $1", UUID(run.run_id))


async def _expired(platform: Platform) -> Provoked:
    run = await ended_run(platform)
    first = (await platform.events(run.run_id))[0]
    await _expire(platform, run)
    return refused(StreamRunRequest(run_id=run.run_id, after_event_id=first.event_id), run_id=run.run_id)


async def _expired_in_thread(platform: Platform) -> Provoked:
    first = (await _streams_thread(platform)).events[0]
    run = (await platform.finish(first.run_id)).run
    await _expire(platform, run)
    return refused(StreamThreadRequest(thread_id=run.thread_id, after_event_id=first.event_id), run_id=run.run_id)


def _drained(request_for: Callable[[Run], Any], channel_of: Callable[[Keys, Run], str]) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        run = await waiting_run(platform, thread=unique())
        request = request_for(run)
        heard = channel_of(Keys(platform.settings.redis_prefix), run)
        async with AsyncExitStack() as process:
            port = await process.enter_async_context(stream.running(platform.settings))
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                call = asyncio.create_task(_to_its_end(channel, request))
                await _heard(platform, heard)
                await process.aclose()
                await asyncio.wait([call])
        return Provoked(request, call=call)

    return scenario


async def _to_its_end(channel: grpc.aio.Channel, request: Any) -> None:
    call = getattr(StreamServiceStub(channel), rpc_of(request))(request)
    if not hasattr(call, "read"):
        await call
        return
    async for _ in call:
        pass


async def _heard(platform: Platform, channel: str) -> None:
    """Waits until somebody listens to a channel of Redis."""
    async with redis.asyncio.Redis.from_url(platform.settings.redis_uri) as client:

        async def listening() -> bool:
            ((_, listeners),) = await client.pubsub_numsub(channel)
            return bool(listeners)

        await until(listening)


def _of_run(keys: Keys, run: Run) -> str:
    return keys.events(RunKey(DEFAULT_TENANT, UUID(run.run_id)))


def _of_thread(keys: Keys, run: Run) -> str:
    return keys.thread(DEFAULT_TENANT, run.thread_id)


ERRORS: Errors = {
    ("StreamRun", "INVALID_EVENT_ID"): wrong(
        StreamRunRequest(run_id=ABSENT, after_event_id="nonsense"), "after_event_id"
    ),
    ("StreamRun", "RUN_NOT_FOUND"): refused(StreamRunRequest(run_id=ABSENT), run_id=ABSENT),
    ("StreamRun", "EVENTS_EXPIRED"): _expired,
    ("StreamRun", "SERVER_DRAINING"): _drained(lambda run: StreamRunRequest(run_id=run.run_id), _of_run),
    ("StreamThread", "FIELD_OUT_OF_RANGE"): wrong(
        StreamThreadRequest(thread_id="t", heartbeat_interval=Duration(seconds=61)), "heartbeat_interval"
    ),
    ("StreamThread", "THREAD_NOT_FOUND"): refused(StreamThreadRequest(thread_id=ABSENT), thread_id=ABSENT),
    ("StreamThread", "EVENTS_EXPIRED"): _expired_in_thread,
    ("StreamThread", "SERVER_DRAINING"): _drained(lambda run: StreamThreadRequest(thread_id=run.thread_id), _of_thread),
    ("WaitRun", "FIELD_OUT_OF_RANGE"): wrong(WaitRunRequest(run_id=ABSENT, timeout=Duration(seconds=3601)), "timeout"),
    ("WaitRun", "RUN_NOT_FOUND"): refused(WaitRunRequest(run_id=ABSENT), run_id=ABSENT),
    ("WaitRun", "SERVER_DRAINING"): _drained(lambda run: WaitRunRequest(run_id=run.run_id), _of_run),
}

LISTINGS: Listings = {}
