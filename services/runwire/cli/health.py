"""When a process is ready for calls."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runwire.cli.channels import channel
from runwire.core.settings import Settings


async def wait_until_serving(address: str, service: str, settings: Settings | None = None) -> None:
    """Returns when the health service at `address` says that `service` is SERVING; it may wait for ever.

    `settings` are those of the process, which say whether it speaks TLS.
    """
    request = health_pb2.HealthCheckRequest(service=service)
    async with channel(address, settings or Settings()) as there:
        watch = getattr(health_pb2_grpc.HealthStub(there), "Watch")  # noqa: B009, unknown to the type stubs
        while True:
            try:
                async for answer in watch(request, wait_for_ready=True):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
