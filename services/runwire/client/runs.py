"""Runs: create, follow, wait for, look at, cancel, delete."""

from __future__ import annotations

import builtins
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any, Literal, Unpack

from runwire.api.dispatch.v1 import runs_pb2 as pb
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceStub
from runwire.api.stream.v1 import stream_pb2
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.client.codec import decode, encode
from runwire.client.errors import DeadlineExceeded, NotFound, RunFailed, RunwireError
from runwire.client.events import Event
from runwire.client.following import follow_run
from runwire.client.listing import Listing
from runwire.client.patience import Patience
from runwire.client.requests import create_run, modes, new_id, request_of
from runwire.client.results import CancelAction, Outcome, Run, RunStatus, WebhookDelivery, WebhookDeliveryState
from runwire.client.wire import Wire
from runwire.client.words import RunOptions, RunRequest, SortOrder, StreamMode

_WAIT_SECONDS = 60.0
_ANSWER_SECONDS = 10.0


class Runs:
    """Runs. `thread_id` None: a run without a thread; `assistant_id`: or a graph's id; options: `words.RunOptions`."""

    def __init__(self, wire: Wire, stub: RunsServiceStub, stream_stub: StreamServiceStub) -> None:
        self._wire = wire
        self._stub = stub
        self._stream_stub = stream_stub

    async def create(self, thread_id: str | None, assistant_id: str, **options: Unpack[RunOptions]) -> Run:
        """Creates a run. It is stored when this returns, and will end whatever dies in between."""
        request = create_run(thread_id, assistant_id, options)
        return decode(Run, (await self._wire.unary(self._stub.CreateRun, request)).run)

    async def create_batch(self, payloads: Sequence[RunRequest]) -> builtins.list[Run]:
        """Creates up to 100 runs, all of them or none.

        Raises AlreadyExists also where they were stored, their answer was lost, and one of them has been removed since.
        """
        named: builtins.list[RunRequest] = [{**each, "run_id": each.get("run_id") or new_id()} for each in payloads]
        request = pb.BatchCreateRunsRequest(requests=[request_of(each) for each in named])
        response = await self._wire.unary(self._stub.BatchCreateRuns, request)
        return [decode(Run, each) for each in response.runs]

    async def stream(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        cancel_on_disconnect: bool = False,
        heartbeats: bool = False,
        **options: Unpack[RunOptions],
    ) -> AsyncGenerator[Event, None]:
        """Creates a run and follows it as `join_stream` does. Each event names the run."""
        run = await self.create(thread_id, assistant_id, **options)
        events = self.join_stream(run.run_id, cancel_on_disconnect=cancel_on_disconnect, heartbeats=heartbeats)
        async with aclosing(events):
            async for event in events:
                yield event

    async def wait(
        self,
        thread_id: str | None,
        assistant_id: str,
        *,
        raise_error: bool = True,
        timeout: float | None = None,
        **options: Unpack[RunOptions],
    ) -> Any:
        """Creates a run, waits for its end and returns the graph's output (also when it paused; `join` tells more).

        RunFailed when there is none, because the run failed, timed out or was cancelled; None with `raise_error=False`.
        DeadlineExceeded after `timeout` seconds; the run goes on.
        """
        run = await self.create(thread_id, assistant_id, **options)
        outcome = await self.join(run.run_id, timeout=timeout)
        if raise_error and outcome.run.status in ("error", "timeout", "cancelled"):
            raise RunFailed(outcome.run)
        return outcome.output

    async def join(self, run_id: str, *, timeout: float | None = None) -> Outcome:
        """Waits for a run's end, however it ends, and returns it with its output and interrupts.

        DeadlineExceeded after `timeout` seconds; NotFound when the run is rolled back meanwhile.
        """
        end = None if timeout is None else time.monotonic() + timeout
        patience = Patience()
        while True:
            left = _WAIT_SECONDS if end is None else max(0.0, min(_WAIT_SECONDS, end - time.monotonic()))
            request = encode(stream_pb2.WaitRunRequest, run_id=run_id, timeout=left)
            try:
                response = await self._wire.unary(self._stream_stub.WaitRun, request, timeout=left + _ANSWER_SECONDS)
                patience.progress()
            except RunwireError as error:
                if end is not None and time.monotonic() >= end:
                    raise
                await self._wire.sleep(patience.pause(error))
                continue
            outcome = decode(Outcome, response)
            if outcome.run.finish_time:
                return outcome
            if end is not None and time.monotonic() >= end:
                raise DeadlineExceeded(f"run {run_id} has not ended within {timeout} seconds")

    def join_stream(
        self,
        run_id: str,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] = (),
        last_event_id: str = "",
        namespaces: Sequence[Sequence[str]] = (),
        cancel_on_disconnect: bool = False,
        heartbeats: bool = False,
        heartbeat_interval: timedelta | float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The events of a run, at any time, from the first or after `last_event_id`, up to `Finished`.

        A broken connection is mended from the last event that arrived, so each event comes once. What can't be
        delivered is a `Gap`. `stream_mode` and `namespaces` leave out other modes and subgraphs. With
        `cancel_on_disconnect` the run is cancelled when the caller, or the network, ends the stream too early.
        """
        request = encode(
            stream_pb2.StreamRunRequest,
            run_id=run_id,
            after_event_id=last_event_id,
            stream_modes=modes(stream_mode),
            namespaces=[{"path": path} for path in namespaces],
            cancel_on_disconnect=cancel_on_disconnect,
            heartbeat_interval=heartbeat_interval,
        )
        return follow_run(self._wire, self._stream_stub.StreamRun, request, heartbeats=heartbeats)

    def list(
        self,
        thread_id: str | None = None,
        *,
        status: RunStatus | Sequence[RunStatus] = (),
        assistant_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = None,
        sort_order: SortOrder = "descending",
    ) -> Listing[Run]:
        """Runs, by default the newest first."""
        found = _filter(thread_id, status, assistant_id, metadata)
        return Listing[Run](
            self._wire,
            self._stub.ListRuns,
            encode(pb.ListRunsRequest, filter=found, order=sort_order),
            limit=limit,
        )

    async def count(
        self,
        thread_id: str | None = None,
        *,
        status: RunStatus | Sequence[RunStatus] = (),
        assistant_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """How many `list` would find."""
        request = pb.CountRunsRequest(filter=_filter(thread_id, status, assistant_id, metadata))
        return (await self._wire.unary(self._stub.CountRuns, request)).count

    async def get(self, run_id: str) -> Run:
        """The run as it is."""
        return decode(Run, (await self._wire.unary(self._stub.GetRun, pb.GetRunRequest(run_id=run_id))).run)

    async def cancel(self, run_id: str, *, wait: bool = False, action: CancelAction = "interrupt") -> Run:
        """Cancels a run. "interrupt" keeps what it has done, "rollback" undoes and removes it.

        A running run becomes "cancelled" when its code has really stopped; `wait` waits for that.
        """
        request = encode(pb.CancelRunRequest, run_id=run_id, action=action)
        run = decode(Run, (await self._wire.unary(self._stub.CancelRun, request)).run)
        if not wait or run.finish_time:
            return run
        try:
            return (await self.join(run_id)).run
        except NotFound:
            if action != "rollback":
                raise
            return run

    async def cancel_many(
        self,
        *,
        thread_id: str | None = None,
        run_ids: Sequence[str] | None = None,
        status: Literal["pending", "running"] | None = None,
        action: CancelAction = "interrupt",
    ) -> builtins.list[Run]:
        """Cancels many runs in one transaction, by ids or by thread and status; returns those that were active."""
        request = encode(pb.BatchCancelRunsRequest, thread_id=thread_id, run_ids=run_ids, status=status, action=action)
        response = await self._wire.unary(self._stub.BatchCancelRuns, request)
        return [decode(Run, each) for each in response.runs]

    async def delete(self, run_id: str) -> None:
        """Deletes a finished run with its events. Its thread and checkpoints stay."""
        await self._wire.unary(self._stub.DeleteRun, pb.DeleteRunRequest(run_id=run_id))

    def list_webhook_deliveries(
        self, run_id: str | None = None, *, state: WebhookDeliveryState | None = None, limit: int | None = None
    ) -> Listing[WebhookDelivery]:
        """The deliveries of runs' webhooks, the newest first."""
        return Listing[WebhookDelivery](
            self._wire,
            self._stub.ListWebhookDeliveries,
            encode(pb.ListWebhookDeliveriesRequest, run_id=run_id, state=state),
            limit=limit,
        )


def _filter(
    thread_id: str | None,
    status: RunStatus | Sequence[RunStatus],
    assistant_id: str | None,
    metadata: Mapping[str, Any] | None,
) -> pb.RunFilter:
    statuses = [status] if isinstance(status, str) else status
    return encode(
        pb.RunFilter, thread_id=thread_id, statuses=statuses, assistant_id=assistant_id, metadata_contains=metadata
    )
