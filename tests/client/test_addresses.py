"""One address for all services, as behind a router, or one for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from runwire.client import SyncClient, connect, connect_sync
from tests.contract.rpcs import all_rpcs
from tests.harness.platform import Platform, new_thread

_STREAMING = {rpc.path: rpc.method.server_streaming for rpc in all_rpcs()}
_PROCESSES = {rpc.path: rpc.process for rpc in all_rpcs()}


class _Router(grpc.GenericRpcHandler):
    """Passes calls on, as bytes, to the process that serves them."""

    def __init__(self, platform: Platform) -> None:
        self._channels = {
            name: grpc.aio.insecure_channel(platform.addresses[name]) for name in set(_PROCESSES.values())
        }

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        path = details.method
        channel: Any = self._channels[_PROCESSES[path]]

        async def unary(request: bytes, context: Any) -> bytes:
            answer: bytes = await channel.unary_unary(path)(request, timeout=context.time_remaining())
            return answer

        async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
            async for answer in channel.unary_stream(path)(request, timeout=context.time_remaining()):
                yield answer

        if _STREAMING[path]:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)


@asynccontextmanager
async def _one_address(platform: Platform) -> AsyncIterator[str]:
    router, server = _Router(platform), grpc.aio.server()
    server.add_generic_rpc_handlers((router,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
        await router.close()


async def test_all_services_are_used_at_one_address(platform: Platform) -> None:
    async with _one_address(platform) as address, connect(address) as client:
        thread = await client.threads.create(thread_id=new_thread())
        events = [event async for event in client.runs.stream(thread.thread_id, "echo", input={"text": "a"})]
        assert {event.run_id for event in events} == {run.run_id for run in await client.runs.list(thread.thread_id)}
        assert (await client.threads.get(thread.thread_id)).values == {"text": "echo: a"}


async def test_the_synchronous_client_takes_one_address_too(platform: Platform) -> None:
    def work(client: SyncClient) -> Any:
        thread = client.threads.create(thread_id=new_thread())
        return client.runs.wait(thread.thread_id, "echo", input={"text": "a"})

    async with _one_address(platform) as address:
        with connect_sync(address) as client:
            assert await asyncio.to_thread(work, client) == {"text": "echo: a"}
