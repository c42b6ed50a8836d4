"""With authentication, a stream does not outlive its caller's credentials for long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.stream.v1.stream_pb2 import StreamRunRequest, StreamThreadRequest, WaitRunRequest
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.client import connect, events
from runwire.client.errors import Unauthenticated
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.stream.__main__ import running
from tests.access.authorities import Authority
from tests.access.conftest import bearer, keys_file
from tests.harness.refused import refusal
from tests.harness.waiting import until
from tests.stream.producer import Attempt, Producer, create_run

LIFETIME = timedelta(seconds=0.5)


class Keys:
    """A file with one key, which may be withdrawn."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.key = keys_file(file, {"mine": ["runs:*"]}, tenant="default")["mine"]

    def withdraw(self) -> None:
        self.file.write_text("")


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.jsonl")


@pytest.fixture
async def address(settings: Settings, keys: Keys) -> AsyncIterator[str]:
    """A Stream process that asks for keys, and asks again soon."""
    fields = {"api_keys_file": str(keys.file), "stream_lifetime": LIFETIME}
    async with running(settings.model_copy(update=fields)) as port:
        yield f"127.0.0.1:{port}"


async def expired(address: str, keys: Keys, method: str, request: Any) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        await expired_on(channel, method, request, bearer(keys.key))


async def expired_on(channel: grpc.aio.Channel, method: str, request: Any, metadata: Any = ()) -> None:
    call = getattr(StreamServiceStub(channel), method)(request, metadata=metadata, timeout=20)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    found = refusal(caught.value)
    assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "STREAM_EXPIRED")


async def test_a_silent_stream_ends_with_a_heartbeat(address: str, keys: Keys, pool: Pool) -> None:
    run_id = await create_run(pool, thread_id="t")
    beat = Duration(seconds=1)
    await expired(address, keys, "StreamRun", StreamRunRequest(run_id=str(run_id), heartbeat_interval=beat))
    await expired(address, keys, "StreamThread", StreamThreadRequest(thread_id="t", heartbeat_interval=beat))


async def test_a_stream_ends_also_where_a_certificate_opens_the_connection_and_nothing_else(
    settings: Settings, tmp_path: Path, pool: Pool
) -> None:
    authority = Authority.new(tmp_path / "authority")
    fields = {**authority.server(), "tls_client_ca": str(authority.file), "stream_lifetime": LIFETIME}
    run_id = await create_run(pool, thread_id="t")
    request = StreamRunRequest(run_id=str(run_id), heartbeat_interval=Duration(seconds=1))
    credentials = authority.credentials(authority.issue("me", "me.example"))
    async with (
        running(settings.model_copy(update=fields)) as port,
        grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel,
    ):
        await expired_on(channel, "StreamRun", request)


async def test_a_wait_ends_too_with_the_run_as_it_is_then(address: str, keys: Keys, pool: Pool) -> None:
    run_id = await create_run(pool, thread_id="t")
    request = WaitRunRequest(run_id=str(run_id), timeout=Duration(seconds=60))
    async with grpc.aio.insecure_channel(address) as channel:
        answer = await StreamServiceStub(channel).WaitRun(request, metadata=bearer(keys.key), timeout=20)
    assert not answer.run.HasField("finish_time")


async def test_a_client_waits_on_by_itself(address: str, keys: Keys, producer: Producer) -> None:
    attempt = await producer.begin()
    asked: list[str] = []

    def token() -> str:
        asked.append(keys.key)
        return keys.key

    async def has_asked_again() -> bool:
        return len(asked) > 1

    async with connect(address, token=token) as client:
        waiting = asyncio.create_task(client.runs.join(str(attempt.run_id)))
        await until(has_asked_again)
        await attempt.finish()
        assert (await waiting).run.status == "success"


async def test_it_cancels_no_run(address: str, keys: Keys, producer: Producer, pool: Pool) -> None:
    attempt = await producer.begin()
    request = StreamRunRequest(
        run_id=str(attempt.run_id), heartbeat_interval=Duration(seconds=1), cancel_on_disconnect=True
    )
    await expired(address, keys, "StreamRun", request)
    row = await pool.fetchrow("SELECT status, cancel_action FROM runs WHERE run_id = $1", attempt.run_id)
    assert tuple(row or ()) == ("running", None)


async def goes_on(attempt: Attempt, number: int) -> None:
    """The next event, which is logged at once."""
    await attempt.custom(number)
    await attempt.flush()


async def test_the_client_goes_on_by_itself_while_its_key_is_good(address: str, keys: Keys, producer: Producer) -> None:
    attempt = await producer.begin()
    await attempt.started()
    await attempt.flush()
    seen: list[Any] = []
    asked: list[str] = []

    def token() -> str:
        asked.append(keys.key)
        return keys.key

    async with connect(address, token=token) as client:
        async for event in client.runs.join_stream(str(attempt.run_id)):
            if isinstance(event, events.Custom):
                seen.append(event.data)
            if isinstance(event, events.Finished):
                break
            if len(asked) < 3:
                await goes_on(attempt, len(seen))
            else:
                await attempt.finish()
    assert seen == list(range(len(seen)))


async def test_a_withdrawn_key_ends_the_stream_for_good(address: str, keys: Keys, producer: Producer) -> None:
    attempt = await producer.begin()
    await attempt.started()
    await attempt.flush()

    async def follow() -> None:
        async with connect(address, api_key=keys.key) as client:
            async for event in client.runs.join_stream(str(attempt.run_id)):
                if isinstance(event, events.Started):
                    keys.withdraw()
                await goes_on(attempt, 0)

    with pytest.raises(Unauthenticated):
        await follow()
