"""When a process is ready for calls."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

# A port that nothing listens on yet is tried again at once, not after gRPC's usual second.
IMPATIENT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
]


async def wait_until_serving(address: str, service: str) -> None:
    """Returns when the health service at `address` says that `service` is SERVING; it may wait for ever."""
    request = health_pb2.HealthCheckRequest(service=service)
    async with grpc.aio.insecure_channel(address, options=IMPATIENT) as channel:
        watch = getattr(health_pb2_grpc.HealthStub(channel), "Watch")  # noqa: B009, unknown to the type stubs
        while True:
            try:
                async for answer in watch(request, wait_for_ready=True):
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
