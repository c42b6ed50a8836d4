"""Threads: what runs share, and the state of its graph."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from runwire.api.dispatch.v1 import thread_state_pb2 as state_pb
from runwire.api.dispatch.v1.thread_state_pb2_grpc import ThreadStateServiceStub
from runwire.api.resource.v1 import threads_pb2 as pb
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.api.stream.v1 import stream_pb2
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.client.codec import decode, encode
from runwire.client.events import Event
from runwire.client.following import follow
from runwire.client.listing import Listing
from runwire.client.requests import checkpoint_ref, modes, new_id, thread_ttl
from runwire.client.results import CheckpointRef, Thread, ThreadState, ThreadStatus, ThreadTtl, TtlStrategy
from runwire.client.wire import Wire
from runwire.client.words import IfExists, SortOrder, StateUpdate, StreamMode, View

# Whole states are large.
_STATES_PAGE_SIZE = 10


class Threads:
    """Threads, their states and their events."""

    def __init__(
        self, wire: Wire, stub: ThreadsServiceStub, state_stub: ThreadStateServiceStub, stream_stub: StreamServiceStub
    ) -> None:
        self._wire = wire
        self._stub = stub
        self._state_stub = state_stub
        self._stream_stub = stream_stub

    async def get(self, thread_id: str, *, view: View = "full") -> Thread:
        """A thread; in the "basic" view without values and interrupts."""
        request = encode(pb.GetThreadRequest, thread_id=thread_id, view=view)
        return decode(Thread, (await self._wire.unary(self._stub.GetThread, request)).thread)

    async def create(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        thread_id: str | None = None,
        if_exists: IfExists = "fail",
        ttl: ThreadTtl | timedelta | None = None,
        graph_id: str | None = None,
    ) -> Thread:
        """Creates a thread. After `ttl` without a change it is deleted, or only its latest state is kept.

        With `graph_id` its state can be written before the first run.
        """
        request = encode(
            pb.CreateThreadRequest,
            thread_id=thread_id or new_id(),
            metadata=metadata,
            ttl=thread_ttl(ttl),
            if_exists=if_exists,
            graph_id=graph_id,
        )
        return decode(Thread, (await self._wire.unary(self._stub.CreateThread, request)).thread)

    async def update(
        self,
        thread_id: str,
        *,
        metadata: Mapping[str, Any] | None = None,
        ttl: ThreadTtl | timedelta | None = None,
        clear_ttl: bool = False,
    ) -> Thread:
        """Merges metadata, replaces or removes the time to live."""
        request = encode(
            pb.UpdateThreadRequest, thread_id=thread_id, metadata=metadata, ttl=thread_ttl(ttl), clear_ttl=clear_ttl
        )
        return decode(Thread, (await self._wire.unary(self._stub.UpdateThread, request)).thread)

    async def delete(self, thread_id: str) -> None:
        """Deletes a thread with everything under it."""
        await self._wire.unary(self._stub.DeleteThread, pb.DeleteThreadRequest(thread_id=thread_id))

    def search(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        status: ThreadStatus | None = None,
        limit: int | None = None,
        sort_by: Literal["update_time", "create_time"] = "update_time",
        sort_order: SortOrder = "descending",
        view: View = "basic",
    ) -> Listing[Thread]:
        """Threads whose metadata and values contain these objects, with these ids, in this status."""
        request = encode(
            pb.ListThreadsRequest,
            filter=_filter(metadata, values, ids, status),
            sort_by=sort_by,
            order=sort_order,
            view=view,
        )
        return Listing[Thread](
            self._wire,
            self._stub.ListThreads,
            request,
            limit=limit,
        )

    async def count(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        status: ThreadStatus | None = None,
    ) -> int:
        """How many `search` would find."""
        request = pb.CountThreadsRequest(filter=_filter(metadata, values, ids, status))
        return (await self._wire.unary(self._stub.CountThreads, request)).count

    async def copy(self, thread_id: str, target_thread_id: str | None = None) -> Thread:
        """Copies a thread with its metadata and its whole history, not its runs."""
        request = pb.CopyThreadRequest(thread_id=thread_id, target_thread_id=target_thread_id or new_id())
        return decode(Thread, (await self._wire.unary(self._stub.CopyThread, request)).thread)

    async def prune(self, thread_ids: Sequence[str], *, strategy: TtlStrategy = "delete") -> int:
        """Deletes up to 1,000 threads, or all but their latest state; returns how many. Busy ones are left alone."""
        request = encode(pb.PruneThreadsRequest, thread_ids=thread_ids, strategy=strategy)
        return (await self._wire.unary(self._stub.PruneThreads, request)).pruned_count

    async def get_state(
        self, thread_id: str, checkpoint: CheckpointRef | str | None = None, *, subgraphs: bool = False
    ) -> ThreadState:
        """The state at the thread's head, or at a checkpoint. It takes a live worker that serves the graph."""
        request = encode(
            state_pb.GetThreadStateRequest,
            thread_id=thread_id,
            checkpoint=checkpoint_ref(checkpoint),
            subgraphs=subgraphs,
        )
        return decode(ThreadState, (await self._wire.unary(self._state_stub.GetThreadState, request)).state)

    def get_history(
        self,
        thread_id: str,
        *,
        limit: int | None = None,
        before: CheckpointRef | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        checkpoint_ns: str = "",
    ) -> Listing[ThreadState]:
        """Its states, the newest first: before a checkpoint, with this metadata, of a subgraph's namespace."""
        request = encode(
            state_pb.ListThreadHistoryRequest,
            thread_id=thread_id,
            before=checkpoint_ref(before),
            metadata_contains=metadata,
            checkpoint_ns=checkpoint_ns,
        )
        return Listing[ThreadState](
            self._wire,
            self._state_stub.ListThreadHistory,
            request,
            limit=limit,
            page_size=_STATES_PAGE_SIZE,
        )

    async def update_state(
        self,
        thread_id: str,
        values: Mapping[str, Any] | None = None,
        *,
        as_node: str = "",
        checkpoint: CheckpointRef | str | None = None,
    ) -> CheckpointRef:
        """Writes to the state as if a node had returned `values`, and returns the new head."""
        return await self.bulk_update_state(thread_id, [{"values": values, "as_node": as_node}], checkpoint=checkpoint)

    async def bulk_update_state(
        self, thread_id: str, updates: Sequence[StateUpdate], *, checkpoint: CheckpointRef | str | None = None
    ) -> CheckpointRef:
        """Writes up to 64 updates, one checkpoint each, all or none. FailedPrecondition while a run is active."""
        request = encode(
            state_pb.UpdateThreadStateRequest,
            thread_id=thread_id,
            updates=updates,
            checkpoint=checkpoint_ref(checkpoint),
        )
        response = await self._wire.unary(self._state_stub.UpdateThreadState, request)
        return decode(CheckpointRef, response.checkpoint)

    def join_stream(
        self,
        thread_id: str,
        *,
        last_event_id: str = "",
        lifecycle_only: bool = False,
        stream_mode: StreamMode | Sequence[StreamMode] = (),
        heartbeats: bool = False,
        heartbeat_interval: timedelta | float | None = None,
    ) -> AsyncGenerator[Event, None]:
        """The events of all of its runs, those to come as well; it goes on until you leave it.

        Starts with the runs that are active now, or after `last_event_id`. With `lifecycle_only` just `Started`,
        `Interrupted` and `Finished`. Broken connections are mended as in `runs.join_stream`.
        """
        request = encode(
            stream_pb2.StreamThreadRequest,
            thread_id=thread_id,
            after_event_id=last_event_id,
            lifecycle_only=lifecycle_only,
            stream_modes=modes(stream_mode),
            heartbeat_interval=heartbeat_interval,
        )
        return follow(self._wire, self._stream_stub.StreamThread, request, heartbeats=heartbeats)


def _filter(
    metadata: Mapping[str, Any] | None,
    values: Mapping[str, Any] | None,
    ids: Sequence[str] | None,
    status: ThreadStatus | None,
) -> pb.ThreadFilter:
    return encode(pb.ThreadFilter, metadata_contains=metadata, values_contain=values, thread_ids=ids, status=status)
