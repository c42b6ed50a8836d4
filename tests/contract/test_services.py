"""What the processes say about themselves, and which RPCs they answer."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.contract.rpcs import Rpc, all_rpcs, services
from tests.harness.platform import Platform
from tests.harness.refused import Refused, refusal
from tests.harness.waiting import until

# What v1 began with; more may be served, none of these may be lost.
SERVED = {
    "CreateAssistant",
    "GetAssistant",
    "ListAssistants",
    "DeleteAssistant",
    "GetAssistantGraph",
    "GetAssistantSchemas",
    "CreateThread",
    "GetThread",
    "ListThreads",
    "DeleteThread",
    "CreateRun",
    "GetRun",
    "ListRuns",
    "CancelRun",
    "GetThreadState",
    "StreamRun",
    "WaitRun",
}


async def answered(rpc: Rpc, platform: Platform, request: object = None) -> Refused | None:
    """How an RPC refuses; None when it does not."""
    try:
        await rpc.call(platform.addresses, request or rpc.request_class())  # type: ignore[arg-type]
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    return None


@pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)
async def test_every_rpc_is_served_or_says_that_it_is_not(contract: Platform, rpc: Rpc) -> None:
    refused = await answered(rpc, contract)
    if refused is None:
        return
    assert refused.infos == 1
    if refused.code == grpc.StatusCode.UNIMPLEMENTED:
        assert refused.reason == "NOT_SERVED"
        assert rpc.name not in SERVED
    else:
        assert refused.code == grpc.StatusCode.INVALID_ARGUMENT, refused


@pytest.mark.parametrize("process", ["resource", "dispatch", "stream"])
async def test_reflection_lists_the_services_of_the_contract(contract: Platform, process: str) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(contract.addresses[process]) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo(iter([asked]))
        listed = {found.name async for answer in call for found in answer.list_services_response.service}
    ours = {service.full_name for where, service in services() if where == process}
    assert {name for name in listed if name.startswith("runwire.")} == ours
    assert "grpc.health.v1.Health" in listed


@pytest.mark.parametrize("process", ["resource", "dispatch", "stream"])
async def test_each_service_is_healthy(contract: Platform, process: str) -> None:
    names = ["", *(service.full_name for where, service in services() if where == process)]
    async with grpc.aio.insecure_channel(contract.addresses[process]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def serving() -> bool:
            answers = [await stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in names]
            return all(answer.status == health_pb2.HealthCheckResponse.SERVING for answer in answers)

        await until(serving)


async def test_an_unknown_service_has_no_health(contract: Platform) -> None:
    async with grpc.aio.insecure_channel(contract.addresses["dispatch"]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
