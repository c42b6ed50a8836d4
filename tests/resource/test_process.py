from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.core.settings import Settings
from runwire.resource.__main__ import main

SERVICES = {
    "runwire.api.resource.v1.AssistantsService",
    "runwire.api.resource.v1.StoreService",
    "runwire.api.resource.v1.ThreadsService",
}


async def test_every_service_becomes_healthy(channel: grpc.aio.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in ["", *SERVICES]:
        async with asyncio.timeout(10):
            async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service)):
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    break


async def test_reflection_names_every_service(channel: grpc.aio.Channel) -> None:
    reflect: Any = reflection_pb2_grpc.ServerReflectionStub
    stub = reflect(channel)
    request: Any = reflection_pb2.ServerReflectionRequest
    asked = request(list_services="")
    answers = [answer async for answer in stub.ServerReflectionInfo(iter([asked]))]
    assert {service.name for service in answers[0].list_services_response.service} > SERVICES


@pytest.mark.parametrize("module", [assistants_pb2, store_pb2, threads_pb2])
async def test_every_rpc_is_served(channel: grpc.aio.Channel, module: ModuleType) -> None:
    [service] = module.DESCRIPTOR.services_by_name.values()
    for method in service.methods:
        ask: Any = channel.unary_unary(f"/{service.full_name}/{method.name}")
        call = ask(b"")
        assert await call.code() in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}, method.name


async def test_times_to_live_that_can_not_be_used_stop_the_process_with_a_sentence(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text('{"checkpointer": {"ttl": {"default_ttl": 0}}}')
    with pytest.raises(SystemExit, match=r"checkpointer\.ttl\.default_ttl"):
        await main(settings.model_copy(update={"graphs": file}), asyncio.Event())
