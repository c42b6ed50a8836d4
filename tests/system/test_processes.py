"""The four processes as they run in production."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.contract.rpcs import all_rpcs
from tests.harness.platform import Platform
from tests.harness.reflection import reflected_rpcs
from tests.harness.waiting import until

_SERVICES = {
    "resource": "runwire.api.resource.v1.ThreadsService",
    "dispatch": "runwire.api.dispatch.v1.RunsService",
    "stream": "runwire.api.stream.v1.StreamService",
    "worker": "runwire.worker",
}


@pytest.mark.parametrize("process", sorted(_SERVICES))
async def test_each_process_says_that_it_serves(platform: Platform, process: str) -> None:
    if process not in platform.addresses:
        pytest.skip("has no port in this form")
    async with grpc.aio.insecure_channel(platform.addresses[process]) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def serving() -> bool:
            asked = [health_pb2.HealthCheckRequest(service=name) for name in ("", _SERVICES[process])]
            answers = [await stub.Check(request) for request in asked]
            return all(answer.status == health_pb2.HealthCheckResponse.SERVING for answer in answers)

        await until(serving)


async def test_the_processes_together_serve_the_whole_contract(platform: Platform) -> None:
    found = []
    for process in ("resource", "dispatch", "stream"):
        for rpc in await reflected_rpcs(platform.addresses[process]):
            code, text = await rpc.answer(platform.addresses[process])
            assert code in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}, (rpc, text)
            found.append(f"/{rpc.service}/{rpc.name}")
    assert sorted(found) == sorted(rpc.path for rpc in all_rpcs())
