"""StreamService: the methods, and how their bytes go out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from runwire.api.stream.v1 import stream_pb2
from runwire.core.errors import NotServed
from runwire.core.identity import tenant_of
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.stream.fanout import Fanout, LiveQueue
from runwire.stream.follow import Follower, Plan
from runwire.stream.log import Log
from runwire.stream.requests import Follow, check_stream_run, check_wait_run
from runwire.stream.wait import Waiting

SERVICE = stream_pb2.DESCRIPTOR.services_by_name["StreamService"].full_name
WAIT_RUN = f"/{SERVICE}/WaitRun"

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class StreamServicer:
    """Follows runs and waits for them."""

    def __init__(self, pool: Pool, fanout: Fanout, settings: Settings) -> None:
        self._pool = pool
        self._fanout = fanout
        self._buffer_bytes = settings.reader_buffer_bytes
        self._flush = settings.event_flush_interval.total_seconds()
        self._poll = settings.poll_interval.total_seconds()
        self._waiting = Waiting(pool, fanout, self._poll)

    async def StreamRun(self, request: stream_pb2.StreamRunRequest, context: Context) -> AsyncIterator[bytes]:
        """The events of one run, as bytes of StreamRunResponse."""
        follow = check_stream_run(request)
        log = Log(self._pool, tenant_of(context), follow.run_id)
        queue = LiveQueue(self._buffer_bytes)
        async with self._fanout.join(follow.run_id, queue) as channel:
            await context.send_initial_metadata(())
            async for response in Follower(log, queue, channel, self._plan(follow)).responses():
                yield response

    def StreamThread(self, request: stream_pb2.StreamThreadRequest, context: Context) -> AsyncIterator[bytes]:
        """Not served."""
        raise NotServed(method=f"/{SERVICE}/StreamThread")

    async def WaitRun(self, request: stream_pb2.WaitRunRequest, context: Context) -> stream_pb2.WaitRunResponse:
        """The run at its end, or at the time-out."""
        wait = check_wait_run(request)
        return await self._waiting.wait(tenant_of(context), wait.run_id, wait.timeout)

    def _plan(self, follow: Follow) -> Plan:
        return Plan(
            after=follow.after,
            selection=follow.selection,
            heartbeat=follow.heartbeat,
            flush=self._flush,
            poll=self._poll,
        )


def register(servicer: StreamServicer, server: grpc.aio.Server) -> None:
    """Adds the service to a server. In place of the generated function: responses may be bytes already."""
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "StreamRun": grpc.unary_stream_rpc_method_handler(
            servicer.StreamRun,
            request_deserializer=stream_pb2.StreamRunRequest.FromString,
            response_serializer=_to_bytes,
        ),
        "StreamThread": grpc.unary_stream_rpc_method_handler(
            servicer.StreamThread,
            request_deserializer=stream_pb2.StreamThreadRequest.FromString,
            response_serializer=_to_bytes,
        ),
        "WaitRun": grpc.unary_unary_rpc_method_handler(
            servicer.WaitRun,
            request_deserializer=stream_pb2.WaitRunRequest.FromString,
            response_serializer=_to_bytes,
        ),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


def _to_bytes(response: bytes | Message) -> bytes:
    if isinstance(response, bytes):
        return response
    raw: bytes = response.SerializeToString()
    return raw
