"""The calls that the demo makes, as any client of Runwire would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import grpc
from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1.runs_pb2 import CancelRunRequest, CreateRunRequest
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceStub
from runwire.api.resource.v1.threads_pb2 import CreateThreadRequest
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.api.stream.v1.stream_pb2 import RunEvent, StreamRunRequest, WaitRunRequest, WaitRunResponse
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CancelAction, Command, StreamMode
from runwire.cli.caller import Caller
from runwire.cli.channels import channel
from runwire.cli.errors import DemoError
from runwire.cli.stack import Stack

_CALL_SECONDS = 30.0
_BREAKS = 20  # of a stream; after that the demo gives up
_BREAK_SECONDS = 0.5
_MODES = (
    StreamMode.STREAM_MODE_UPDATES,
    StreamMode.STREAM_MODE_MESSAGES,
    StreamMode.STREAM_MODE_CUSTOM,
)


@asynccontextmanager
async def calling(stack: Stack) -> AsyncIterator[Calls]:
    """A client of the stack's services."""
    async with (
        channel(stack.address("resource"), stack.settings) as resource,
        channel(stack.address("dispatch"), stack.settings) as dispatch,
        channel(stack.address("stream"), stack.settings) as stream,
    ):
        try:
            yield Calls(resource, dispatch, stream, Caller().metadata())
        except grpc.aio.AioRpcError as error:
            raise DemoError(f"A call failed with {error.code().name}: {error.details()}") from error


class Calls:
    """A thread's runs. Failures are raised as gRPC raises them, and told plainly by `calling`."""

    def __init__(
        self,
        resource: grpc.aio.Channel,
        dispatch: grpc.aio.Channel,
        stream: grpc.aio.Channel,
        metadata: Sequence[tuple[str, str]],
    ) -> None:
        self._threads = ThreadsServiceStub(resource)
        self._runs = RunsServiceStub(dispatch)
        self._stream = StreamServiceStub(stream)
        self._metadata = metadata

    async def create_thread(self) -> str:
        """The new thread's id."""
        answer = await self._threads.CreateThread(CreateThreadRequest(), timeout=_CALL_SECONDS, metadata=self._metadata)
        return answer.thread.thread_id

    async def create_run(self, thread_id: str, assistant_id: str, work: Json | Command) -> str:
        """The new run's id; a Command goes on with what paused."""
        request = CreateRunRequest(
            thread_id=thread_id,
            assistant_id=assistant_id,
            input=work if isinstance(work, Json) else None,
            command=work if isinstance(work, Command) else None,
            stream_modes=_MODES,
            stream_subgraphs=True,
        )
        answer = await self._runs.CreateRun(request, timeout=_CALL_SECONDS, metadata=self._metadata)
        return answer.run.run_id

    async def events(self, run_id: str) -> AsyncIterator[RunEvent]:
        """All events of a run; a stream that breaks is taken up after the last event that was received."""
        last = ""
        for _ in range(_BREAKS):
            try:
                request = StreamRunRequest(run_id=run_id, after_event_id=last)
                async for response in self._stream.StreamRun(request, metadata=self._metadata):
                    for event in response.events:
                        last = event.event_id
                        yield event
                return
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            await asyncio.sleep(_BREAK_SECONDS)
        raise DemoError("The events can't be had any more: the Stream process does not answer.")

    async def end_of(self, run_id: str) -> WaitRunResponse:
        """The run at its end, with its output or its interrupts."""
        request = WaitRunRequest(run_id=run_id, timeout=Duration(seconds=int(_CALL_SECONDS)))
        return await self._stream.WaitRun(request, timeout=_CALL_SECONDS + 5, metadata=self._metadata)

    async def undo(self, run_id: str) -> None:
        """Cancels a run that nobody wants any more, if Dispatch can still be reached."""
        request = CancelRunRequest(run_id=run_id, action=CancelAction.CANCEL_ACTION_ROLLBACK)
        with suppress(grpc.aio.AioRpcError):
            await self._runs.CancelRun(request, timeout=2, metadata=self._metadata)


def json_of(value: object) -> Json:
    """The JSON-shaped value as a message."""
    return Json(text=json.dumps(value, ensure_ascii=False))
