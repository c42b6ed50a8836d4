"""Health of a server, and its end, whatever becomes of the question whether it is ready."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runwire.core import server
from runwire.core.settings import Settings
from tests.harness.waiting import until

_LIMIT = 10.0

SERVICE = "runwire.test.v1.TestService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Readiness:
    """What a process says of itself."""

    def __init__(self) -> None:
        self.answer = True
        self.error: Exception | None = None

    async def ready(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def readiness(monkeypatch: pytest.MonkeyPatch) -> Readiness:
    """A process whose readiness is asked for often."""
    monkeypatch.setattr(server, "_READY_CHECK_SECONDS", 0.05)
    return Readiness()


async def says(channel: grpc.aio.Channel, status: int) -> None:
    """Waits until health says so."""
    stub: Any = health_pb2_grpc.HealthStub(channel)

    async def is_said() -> bool:
        return bool((await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))).status == status)

    await until(is_said)


async def test_a_process_that_can_not_tell_is_not_ready_until_it_can_again(
    readiness: Readiness, caplog: pytest.LogCaptureFixture
) -> None:
    services: list[tuple[str, server.Register]] = [(SERVICE, lambda _: None)]
    async with (
        server.serving(Settings(), 0, services, readiness.ready) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        await says(channel, SERVING)
        readiness.error = RuntimeError("the password was changed")
        await says(channel, NOT_SERVING)
        readiness.error = None
        await says(channel, SERVING)
    actions = [getattr(record, "action", "") for record in caplog.records if record.levelno == logging.ERROR]
    assert actions == ["ready_failed"], "it is said once"


async def test_a_call_in_flight_is_answered_also_where_readiness_can_not_be_told(readiness: Readiness) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(request: bytes, context: object) -> bytes:
        begun.set()
        await may_end.wait()
        return request

    def register(made: grpc.aio.Server) -> None:
        handlers: Any = {"GetIt": grpc.unary_unary_rpc_method_handler(slow, request_deserializer=bytes)}
        made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    serving = server.serving(Settings(), 0, [(SERVICE, register)], readiness.ready)
    port = await serving.__aenter__()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await says(channel, SERVING)
        get_it: Any = channel.unary_unary(f"/{SERVICE}/GetIt")
        call = get_it(b"asked")
        async with asyncio.timeout(_LIMIT):
            await begun.wait()
        readiness.error = RuntimeError("the password was changed")
        await says(channel, NOT_SERVING)
        ending = asyncio.create_task(serving.__aexit__(None, None, None))
        may_end.set()
        assert await call == b"asked"
        await ending
