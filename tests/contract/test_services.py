"""What the processes say about themselves, and which RPCs they answer."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.rpcs import Rpc, services
from tests.harness.platform import Platform
from tests.harness.reflection import reflected_rpcs, reflected_services
from tests.harness.refused import Refused, refusal
from tests.harness.waiting import until


async def answered(rpc: Rpc, platform: Platform, request: object = None) -> Refused | None:
    """How an RPC refuses; None when it does not."""
    try:
        await rpc.call(platform.addresses, request or rpc.request_class())  # type: ignore[arg-type]
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    return None


@pytest.mark.parametrize("process", ["resource", "dispatch", "stream"])
async def test_every_rpc_that_reflection_lists_is_implemented(contract: Platform, process: str) -> None:
    address = contract.addresses[process]
    found = await reflected_rpcs(address)
    assert {(rpc.service, rpc.name) for rpc in found} == {
        (service.full_name, method.name)
        for where, service in services()
        if where == process
        for method in service.methods
    }
    for rpc in found:
        code, text = await rpc.answer(address)
        assert code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}, (rpc, text)


@pytest.mark.parametrize("process", ["resource", "dispatch", "stream"])
async def test_reflection_lists_health_beside_the_services_of_the_contract(contract: Platform, process: str) -> None:
    listed = await reflected_services(contract.addresses[process])
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
