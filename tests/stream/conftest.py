"""The Stream process in this process, its stub, and a producer in the worker's place."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest

from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.core.bus import Bus
from runwire.core.postgres import Pool, migrate
from runwire.core.settings import Settings
from runwire.embedded import Postgres, Redis
from runwire.stream.__main__ import running
from tests.stream.producer import Producer
from tests.stream.reader import Reader, ThreadReader

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub

Follow = Callable[..., Reader]
FollowThread = Callable[..., ThreadReader]


@asynccontextmanager
async def stream_process(settings: Settings) -> AsyncIterator[StreamServiceAsyncStub]:
    """A stub of a Stream process with these settings."""
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        made: StreamServiceAsyncStub = StreamServiceStub(channel)
        yield made


@pytest.fixture
async def stub(settings: Settings) -> AsyncIterator[StreamServiceAsyncStub]:
    """A stub of a Stream process with the test's settings."""
    async with stream_process(settings) as made:
        yield made


@pytest.fixture
def producer(pool: Pool, bus: Bus, settings: Settings) -> Producer:
    """The worker's stand-in."""
    return Producer(pool, bus, settings)


@pytest.fixture
async def follow(stub: StreamServiceAsyncStub) -> AsyncIterator[Follow]:
    """Begins a stream; it is broken off with the test."""
    readers: list[Reader] = []

    def begin(run_id: UUID, **fields: Any) -> Reader:
        readers.append(Reader(stub, run_id, **fields))
        return readers[-1]

    yield begin
    for reader in readers:
        async with reader:
            pass


@pytest.fixture
async def follow_thread(stub: StreamServiceAsyncStub) -> AsyncIterator[FollowThread]:
    """Begins a thread's stream; it is broken off with the test."""
    readers: list[ThreadReader] = []

    def begin(thread_id: str, **fields: Any) -> ThreadReader:
        readers.append(ThreadReader(stub, thread_id, **fields))
        return readers[-1]

    yield begin
    for reader in readers:
        async with reader:
            pass


@pytest.fixture
async def own_redis() -> AsyncIterator[Redis]:
    """A Redis of the test's own, to be killed and restarted."""
    with tempfile.TemporaryDirectory(prefix="runwire-tests-") as home:
        async with Redis(Path(home), durable=False) as redis:
            yield redis
        redis.home.remove_if_outside()


@pytest.fixture
async def own_postgres() -> AsyncIterator[Postgres]:
    """A Postgres of the test's own, migrated, to be killed and restarted."""
    with tempfile.TemporaryDirectory(prefix="runwire-tests-") as home:
        async with Postgres(Path(home), durable=False) as postgres:
            await migrate(postgres.uri)
            yield postgres
        postgres.home.remove_if_outside()
