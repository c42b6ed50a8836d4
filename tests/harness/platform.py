"""A running Runwire as its users see it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1 import (
    crons_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    thread_state_pb2,
    thread_state_pb2_grpc,
    workers_pb2_grpc,
)
from runwire.api.resource.v1 import assistants_pb2_grpc, store_pb2_grpc, threads_pb2, threads_pb2_grpc
from runwire.api.stream.v1 import stream_pb2, stream_pb2_grpc
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from runwire.core.settings import Settings

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
MODES: Mapping[str, Any] = {
    name.removeprefix("STREAM_MODE_").lower(): number for name, number in run_pb2.StreamMode.items() if number
}
"""The stream modes in LangGraph's words."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Stubs of every service, and what a user does with them. `pool` looks behind the scenes."""

    settings: Settings
    pool: Pool
    # The generated types are those of blocking stubs.
    assistants: Any
    threads: Any
    store: Any
    runs: Any
    thread_state: Any
    crons: Any
    workers: Any
    stream: Any
    addresses: Mapping[str, str]

    async def create(self, graph: str, value: object = None, *, thread: str = "", **fields: Any) -> run_pb2.Run:
        """Creates a run; without `value` it has no input. See `request` for the fields."""
        response: runs_pb2.CreateRunResponse = await self.runs.CreateRun(request(graph, value, thread=thread, **fields))
        return response.run

    async def finish(self, run_id: str, *, within: float = 30.0) -> stream_pb2.WaitRunResponse:
        """The run at its end."""
        wait = stream_pb2.WaitRunRequest(run_id=run_id, timeout=Duration(nanos=0, seconds=int(within)))
        response: stream_pb2.WaitRunResponse = await self.stream.WaitRun(wait, timeout=within + 5)
        assert response.run.HasField("finish_time"), f"the run has not ended: {response.run}"
        return response

    async def run(self, graph: str, value: object = None, **fields: Any) -> stream_pb2.WaitRunResponse:
        """Creates a run and waits for its end."""
        created = await self.create(graph, value, **fields)
        return await self.finish(created.run_id)

    async def get(self, run_id: str) -> run_pb2.Run:
        """The run as it is."""
        response: runs_pb2.GetRunResponse = await self.runs.GetRun(runs_pb2.GetRunRequest(run_id=run_id))
        return response.run

    async def cancel(self, run_id: str, *, rollback: bool = False) -> run_pb2.Run:
        """Asks for the run's end."""
        action = run_pb2.CANCEL_ACTION_ROLLBACK if rollback else run_pb2.CANCEL_ACTION_INTERRUPT
        asked = runs_pb2.CancelRunRequest(run_id=run_id, action=action)
        response: runs_pb2.CancelRunResponse = await self.runs.CancelRun(asked)
        return response.run

    async def delete_a_day_ago(self, run_id: str) -> None:
        """Deletes a run that has ended, so long ago that another one may have its id."""
        await self.runs.DeleteRun(runs_pb2.DeleteRunRequest(run_id=run_id))
        await self.pool.execute("DELETE FROM removed_runs WHERE run_id = $1", UUID(run_id))

    async def follow(self, run_id: str, *, after: str = "", **fields: Any) -> AsyncIterator[stream_pb2.RunEvent]:
        """The events of a run as they come, without heartbeats."""
        asked = stream_pb2.StreamRunRequest(run_id=run_id, after_event_id=after, **fields)
        async for response in self.stream.StreamRun(asked):
            for event in response.events:
                if event.WhichOneof("payload") != "heartbeat":
                    yield event

    async def events(
        self, run_id: str, *, after: str = "", within: float = 60.0, **fields: Any
    ) -> list[stream_pb2.RunEvent]:
        """All events of a run, to its end."""
        async with asyncio.timeout(within):
            return [event async for event in self.follow(run_id, after=after, **fields)]

    async def reached(self, run_id: str, payload: str, *, within: float = 20.0, **matching: Any) -> stream_pb2.RunEvent:
        """The first event of this kind, whose message has these fields. Fails when the run ends before."""
        async with asyncio.timeout(within):
            events = self.follow(run_id)
            try:
                async for event in events:
                    message = getattr(event, payload)
                    if event.WhichOneof("payload") == payload and all(
                        getattr(message, name) == value for name, value in matching.items()
                    ):
                        return event
            finally:
                await events.aclose()  # type: ignore[attr-defined]
        raise AssertionError(f"the run ended without {payload} {matching}")

    async def thread(self, thread_id: str) -> threads_pb2.Thread:
        """The thread with its values."""
        asked = threads_pb2.GetThreadRequest(thread_id=thread_id)
        response: threads_pb2.GetThreadResponse = await self.threads.GetThread(asked)
        return response.thread

    async def state(self, thread_id: str, **fields: Any) -> thread_state_pb2.ThreadState:
        """The state at the thread's head."""
        asked = thread_state_pb2.GetThreadStateRequest(thread_id=thread_id, **fields)
        get = self.thread_state.GetThreadState
        response: thread_state_pb2.GetThreadStateResponse = await get(asked, timeout=20)
        return response.state


def request(
    graph: str,
    value: object = None,
    *,
    thread: str = "",
    modes: Iterable[str] = (),
    seconds: float | None = None,
    **fields: Any,
) -> runs_pb2.CreateRunRequest:
    """A CreateRunRequest; its thread is made when it does not exist. `seconds` is the time limit."""
    if thread:
        fields.setdefault("if_thread_missing", runs_pb2.IF_THREAD_MISSING_CREATE)
    made = runs_pb2.CreateRunRequest(
        assistant_id=graph, thread_id=thread, stream_modes=[MODES[mode] for mode in modes], **fields
    )
    if value is not None:
        made.input.text = json.dumps(value)
    if seconds is not None:
        made.run_timeout.FromMilliseconds(int(seconds * 1000))
    return made


def resume(answer: object) -> run_pb2.Command:
    """The Command that answers an interrupt."""
    return run_pb2.Command(resume=Json(text=json.dumps(answer)))


def output(response: stream_pb2.WaitRunResponse) -> Any:
    """The output of a run that ended well."""
    assert response.HasField("output"), response
    return json.loads(response.output.text)


def status(found: run_pb2.Run | stream_pb2.WaitRunResponse) -> str:
    """A run's status in one word, for example "success"."""
    run = found if isinstance(found, run_pb2.Run) else found.run
    return run_pb2.RunStatus.Name(run.status).removeprefix("RUN_STATUS_").lower()


def kinds(events: Iterable[stream_pb2.RunEvent]) -> list[str]:
    """What each event tells."""
    return [event.WhichOneof("payload") or "" for event in events]


def new_thread() -> str:
    """An id that no thread has."""
    return str(uuid4())


def _showing(key: str, details: Any) -> Any:
    return details._replace(metadata=(("authorization", f"Bearer {key}"),))


class _OfUnary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, key: str) -> None:
        self._key = key

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(_showing(self._key, details), request)


class _OfStreams(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, key: str) -> None:
        self._key = key

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return await continuation(_showing(self._key, details), request)


@asynccontextmanager
async def connected(
    settings: Settings, pool: Pool, addresses: Mapping[str, str], key: str = ""
) -> AsyncIterator[Platform]:
    """The stubs on channels to "resource", "dispatch" and "stream". With a key, each call shows it."""
    # gRPC looks for one kind of calls in each interceptor.
    interceptors = [_OfUnary(key), _OfStreams(key)] if key else []
    async with (
        grpc.aio.insecure_channel(addresses["resource"], _OPTIONS, interceptors=interceptors) as resource,
        grpc.aio.insecure_channel(addresses["dispatch"], _OPTIONS, interceptors=interceptors) as dispatch,
        grpc.aio.insecure_channel(addresses["stream"], _OPTIONS, interceptors=interceptors) as stream,
    ):
        yield Platform(
            settings,
            pool,
            assistants_pb2_grpc.AssistantsServiceStub(resource),
            threads_pb2_grpc.ThreadsServiceStub(resource),
            store_pb2_grpc.StoreServiceStub(resource),
            runs_pb2_grpc.RunsServiceStub(dispatch),
            thread_state_pb2_grpc.ThreadStateServiceStub(dispatch),
            crons_pb2_grpc.CronsServiceStub(dispatch),
            workers_pb2_grpc.WorkersServiceStub(dispatch),
            stream_pb2_grpc.StreamServiceStub(stream),
            addresses,
        )
