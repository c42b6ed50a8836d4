"""How a benchmark talks to Runwire: runs on new threads, waited for or followed, over the gRPC contract alone.

It stands alone, so that another harness can load it with this folder and gen/ on its path: `driver:Runwire`, target
`HOST:DISPATCH_PORT,HOST:STREAM_PORT`.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import grpc

from runwire.api.dispatch.v1.runs_pb2 import IF_THREAD_MISSING_CREATE, CreateRunRequest
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceStub
from runwire.api.stream.v1.stream_pb2 import RunEvent, StreamRunRequest, WaitRunRequest
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import (
    RUN_STATUS_SUCCESS,
    STREAM_MODE_CUSTOM,
    STREAM_MODE_MESSAGES,
    STREAM_MODE_UPDATES,
    STREAM_MODE_VALUES,
    RunStatus,
    StreamMode,
)

if TYPE_CHECKING:
    from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceAsyncStub
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub

OnEvent = Callable[[bytes, bytes, int], None]

_CALLS_PER_CHANNEL = 50
_TIMEOUT_SECONDS = 120.0

_MODES: Mapping[str, StreamMode] = {
    "values": STREAM_MODE_VALUES,
    "updates": STREAM_MODE_UPDATES,
    "messages": STREAM_MODE_MESSAGES,
    "custom": STREAM_MODE_CUSTOM,
}
_KINDS: Mapping[str, tuple[bytes, Callable[[RunEvent], str]]] = {
    "started": (b"metadata", lambda event: event.started.graph_id),
    "values": (b"values", lambda event: event.values.values.text),
    "update": (b"updates", lambda event: event.update.update.text),
    "message": (b"messages", lambda event: event.message.chunk.text or event.message.delta),
    "custom": (b"custom", lambda event: event.custom.data.text),
    "finished": (b"end", lambda event: RunStatus.Name(event.finished.status)),
    "gap": (b"gap", lambda event: str(event.gap.missing)),
}


class RunFailed(Exception):
    """A run ended in another status than SUCCESS, or did not end."""


class Runwire:
    """One client; `open` it before the first run."""

    def __init__(self, target: str) -> None:
        self._dispatch, _, self._stream = target.partition(",")
        self._channels: list[grpc.aio.Channel] = []

    async def open(self, concurrency: int) -> None:
        """Connects, with a connection for each 50 runs at once."""
        pairs = [self._pair() for _ in range(max(1, concurrency // _CALLS_PER_CHANNEL))]
        self._next = itertools.cycle(pairs).__next__

    async def close(self) -> None:
        """Disconnects."""
        for channel in self._channels:
            await channel.close()

    async def wait(self, graph: str, inp: dict[str, Any]) -> bytes:
        """Runs a graph on a new thread and returns its output as JSON. RunFailed without a success."""
        runs, streams = self._next()
        run_id = await self._create(runs, graph, inp, "values")
        request = WaitRunRequest(run_id=run_id)
        request.timeout.FromSeconds(int(_TIMEOUT_SECONDS) - 1)
        ended = await streams.WaitRun(request, timeout=_TIMEOUT_SECONDS)
        if ended.run.status != RUN_STATUS_SUCCESS:
            raise RunFailed(f"{RunStatus.Name(ended.run.status)} {ended.run.error}")
        output: bytes = ended.output.text.encode()
        return output

    async def stream(self, graph: str, inp: dict[str, Any], mode: str, on_event: OnEvent) -> None:
        """Runs a graph on a new thread and hands out its events, each with the time its message came in."""
        runs, streams = self._next()
        run_id = await self._create(runs, graph, inp, mode)
        event = RunEvent()
        async for response in streams.StreamRun(StreamRunRequest(run_id=run_id), timeout=_TIMEOUT_SECONDS):
            now = time.time_ns()
            for event in response.events:
                _hand_out(event, now, on_event)
        if event.finished.status != RUN_STATUS_SUCCESS:
            raise RunFailed(f"The last event was {event}")

    async def _create(self, runs: RunsServiceAsyncStub, graph: str, inp: dict[str, Any], mode: str) -> str:
        request = CreateRunRequest(
            thread_id=str(uuid.uuid4()),
            if_thread_missing=IF_THREAD_MISSING_CREATE,
            assistant_id=graph,
            input=Json(text=json.dumps(inp)),
            stream_modes=[_MODES[mode]],
        )
        created = await runs.CreateRun(request, timeout=_TIMEOUT_SECONDS)
        run_id: str = created.run.run_id
        return run_id

    def _pair(self) -> tuple[RunsServiceAsyncStub, StreamServiceAsyncStub]:
        return RunsServiceStub(self._channel(self._dispatch)), StreamServiceStub(self._channel(self._stream))

    def _channel(self, target: str) -> grpc.aio.Channel:
        # Without a pool of its own a channel shares the connection of all others to the same address.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 32 * 1024 * 1024)]
        channel = grpc.aio.insecure_channel(target, options=options)
        self._channels.append(channel)
        return channel


def _hand_out(event: RunEvent, received: int, on_event: OnEvent) -> None:
    payload = event.WhichOneof("payload")
    if payload in _KINDS:
        kind, data = _KINDS[payload]
        on_event(kind, data(event).encode(), received)
