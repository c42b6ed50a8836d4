"""A Dispatch process in this process, and its stubs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from runwire.api.dispatch.v1 import crons_pb2_grpc, runs_pb2_grpc, thread_state_pb2_grpc, workers_pb2_grpc
from runwire.core.settings import Settings
from runwire.dispatch.__main__ import running


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The stubs of one Dispatch process."""

    runs: Any
    thread_state: Any
    crons: Any
    workers: Any


def stubs(channel: grpc.aio.Channel) -> Dispatch:
    """All stubs on a channel."""
    return Dispatch(
        runs_pb2_grpc.RunsServiceStub(channel),
        thread_state_pb2_grpc.ThreadStateServiceStub(channel),
        crons_pb2_grpc.CronsServiceStub(channel),
        workers_pb2_grpc.WorkersServiceStub(channel),
    )


@asynccontextmanager
async def dispatching(settings: Settings) -> AsyncIterator[Dispatch]:
    """A running Dispatch with these settings."""
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield stubs(channel)


@pytest.fixture
async def dispatch(settings: Settings) -> AsyncIterator[Dispatch]:
    """A running Dispatch with the test's settings."""
    async with dispatching(settings) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Refused:
    """What a refused call was answered with."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]
    message: str


@pytest.fixture
def refused() -> Callable[[Any], Awaitable[Refused]]:
    """Awaits a call that must fail."""

    async def refusal_of(call: Any) -> Refused:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return _refused(caught.value)

    return refusal_of


def _refused(error: grpc.aio.AioRpcError) -> Refused:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(bad)
    return Refused(
        error.code(),
        info.reason,
        dict(info.metadata),
        {violation.field: violation.reason for violation in bad.field_violations},
        error.details() or "",
    )


@pytest.fixture
def soon() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Asks until the answer is true, ten seconds at most."""

    async def until(question: Callable[[], Awaitable[Any]]) -> Any:
        async with asyncio.timeout(10):
            while not (answer := await question()):
                await asyncio.sleep(0.02)
        return answer

    return until
