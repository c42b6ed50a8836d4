from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runwire.api.resource.v1.assistants_pb2 import CountAssistantsRequest
from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceStub
from runwire.api.resource.v1.store_pb2 import GetItemRequest
from runwire.api.resource.v1.store_pb2_grpc import StoreServiceStub
from runwire.api.resource.v1.threads_pb2 import CopyThreadRequest
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from tests.resource.refusals import refused

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


async def test_rpcs_that_are_not_served_yet_say_so(channel: grpc.aio.Channel) -> None:
    assistants, threads = AssistantsServiceStub(channel), ThreadsServiceStub(channel)
    calls: dict[str, Awaitable[object]] = {
        "AssistantsService/CountAssistants": assistants.CountAssistants(CountAssistantsRequest()),
        "ThreadsService/CopyThread": threads.CopyThread(CopyThreadRequest()),
        "StoreService/GetItem": StoreServiceStub(channel).GetItem(GetItemRequest()),
    }
    for method, call in calls.items():
        answer = await refused(call)
        assert (answer.code, answer.reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED")
        assert answer.metadata == {"method": f"/runwire.api.resource.v1.{method}"}
