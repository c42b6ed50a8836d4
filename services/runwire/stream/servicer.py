"""StreamService: the methods, and how their bytes go out."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from runwire.api.stream.v1 import stream_pb2
from runwire.core.errors import StreamExpired
from runwire.core.identity import callers_tenant, require
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool
from runwire.core.scopes import RUNS_WRITE
from runwire.core.settings import Settings
from runwire.stream.disconnect import Disconnects
from runwire.stream.fanout import Fanout, LiveQueue, Wake
from runwire.stream.follow import Follower, Plan
from runwire.stream.follow_thread import ThreadFollower
from runwire.stream.log import Log
from runwire.stream.position import START, Position
from runwire.stream.requests import Follow, check_stream_run, check_stream_thread, check_wait_run
from runwire.stream.selection import Selection
from runwire.stream.thread_log import ThreadLog
from runwire.stream.wait import Waiting

SERVICE = stream_pb2.DESCRIPTOR.services_by_name["StreamService"].full_name
WAIT_RUN = f"/{SERVICE}/WaitRun"

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class StreamServicer:
    """Follows runs and threads, and waits for runs."""

    def __init__(self, pool: Pool, fanout: Fanout, disconnects: Disconnects, settings: Settings) -> None:
        self._pool = pool
        self._fanout = fanout
        self._disconnects = disconnects
        self._buffer_bytes = settings.reader_buffer_bytes
        self._flush = settings.event_flush_interval.total_seconds()
        self._poll = settings.poll_interval.total_seconds()
        asks = settings.authenticates or settings.tls_client_ca
        self._lifetime = settings.stream_lifetime.total_seconds() if asks else math.inf
        self._waiting = Waiting(pool, fanout, self._poll)

    async def StreamRun(self, request: stream_pb2.StreamRunRequest, context: Context) -> AsyncIterator[bytes]:
        """The events of one run, as bytes of StreamRunResponse."""
        follow = check_stream_run(request)
        tenant = callers_tenant()
        if follow.cancel_on_disconnect:
            require(RUNS_WRITE)
        until = time.monotonic() + self._lifetime
        with self._may_be_cut_off(tenant, follow, context):
            queue = LiveQueue(self._buffer_bytes)
            async with self._fanout.join(RunKey(tenant, follow.run_id), queue) as channel:
                await context.send_initial_metadata(())
                log = Log(self._pool, tenant, follow.run_id)
                plan = self._plan(follow.selection, follow.heartbeat, follow.after)
                async for response in Follower(log, queue, channel, plan).responses():
                    _check_age(until)
                    yield response

    async def StreamThread(
        self, request: stream_pb2.StreamThreadRequest, context: Context
    ) -> AsyncIterator[stream_pb2.StreamThreadResponse]:
        """The events of all runs of a thread."""
        follow = check_stream_thread(request)
        tenant = callers_tenant()
        until = time.monotonic() + self._lifetime
        woken = asyncio.Event()
        async with self._fanout.join_thread(tenant, follow.thread_id, Wake(woken)) as channel:
            follower = ThreadFollower(
                ThreadLog(self._pool, tenant, follow.thread_id),
                self._fanout,
                channel,
                woken,
                plan=self._plan(follow.selection, follow.heartbeat),
                after=follow.after,
                buffer_bytes=self._buffer_bytes,
            )
            await follower.start()
            await context.send_initial_metadata(())
            async for response in follower.responses():
                _check_age(until)
                yield response

    async def WaitRun(self, request: stream_pb2.WaitRunRequest, context: Context) -> stream_pb2.WaitRunResponse:
        """The run at its end, or at the time-out."""
        wait = check_wait_run(request)
        return await self._waiting.wait(callers_tenant(), wait.run_id, min(wait.timeout, self._lifetime))

    def _plan(self, selection: Selection, heartbeat: float, after: Position = START) -> Plan:
        return Plan(after=after, selection=selection, heartbeat=heartbeat, flush=self._flush, poll=self._poll)

    @contextmanager
    def _may_be_cut_off(self, tenant: str, follow: Follow, context: Context) -> Iterator[None]:
        """Cancels the run when the call ends without the block having come to its end, or to a failure of ours."""
        is_over = not follow.cancel_on_disconnect

        def call_has_ended(_: object) -> None:
            if not is_over and not self._fanout.is_draining:
                self._disconnects.cancel(tenant, follow.run_id)

        if follow.cancel_on_disconnect:
            # A block that is held up by flow control when its caller goes is never gone on with.
            # The stubs ask for a class of their own here.
            context.add_done_callback(call_has_ended)  # type: ignore[arg-type]
        try:
            yield
        except Exception:
            is_over = True
            raise
        is_over = True


def _check_age(until: float) -> None:
    """Asked before each response, so that none follows the last one; heartbeats are responses too."""
    if time.monotonic() >= until:
        raise StreamExpired


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
