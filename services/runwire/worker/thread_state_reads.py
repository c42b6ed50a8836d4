"""Reading a thread's state: at its head, at a checkpoint, and page by page through its history."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
from langgraph.types import StateSnapshot

from runwire.api.dispatch.v1.thread_state_pb2 import (
    GetThreadStateRequest,
    GetThreadStateResponse,
    ListThreadHistoryRequest,
    ListThreadHistoryResponse,
)
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.core.pages import PAGE_BYTES
from runwire.worker.graphs import Compiled
from runwire.worker.thread_state_messages import state_message
from runwire.worker.thread_state_requests import ClaimedRequest, checkpoint_not_found, reading

# States may be large: a page is put together from smaller ones.
_STATES_AT_ONCE = 10


async def get_state(graph: Compiled, claimed: ClaimedRequest) -> GetThreadStateResponse:
    """Answers GetThreadState. Raises RequestRefused."""
    request = GetThreadStateRequest.FromString(claimed.request)
    ref = request.checkpoint
    with reading(claimed):
        snapshot = await graph.aget_state(claimed.config(ref), subgraphs=request.subgraphs)
        if (ref.checkpoint_id or ref.checkpoint_ns) and snapshot.created_at is None:
            raise checkpoint_not_found(ref)
        return GetThreadStateResponse(state=state_message(snapshot))


async def list_history(graph: Compiled, claimed: ClaimedRequest) -> ListThreadHistoryResponse:
    """Answers ListThreadHistory. Where there are more states, the token is the id of the page's last checkpoint.

    Raises RequestRefused.
    """
    request = ListThreadHistoryRequest.FromString(claimed.request)
    response = ListThreadHistoryResponse()
    room = PAGE_BYTES
    with reading(claimed):
        async for snapshot in _snapshots(graph, claimed, request):
            state = state_message(snapshot)
            room -= state.ByteSize()
            if response.states and (len(response.states) == request.page_size or room < 0):
                response.next_page_token = response.states[-1].checkpoint.checkpoint_id
                break
            response.states.append(state)
    return response


async def _snapshots(
    graph: Compiled, claimed: ClaimedRequest, request: ListThreadHistoryRequest
) -> AsyncIterator[StateSnapshot]:
    """The page's snapshots, and one more if there is one."""
    config = claimed.config(CheckpointRef(checkpoint_ns=request.checkpoint_ns))
    contains = orjson.loads(request.metadata_contains.text) if request.HasField("metadata_contains") else None
    before: Any = _before(request.before.checkpoint_id) if request.before.checkpoint_id else None
    left = request.page_size + 1
    while left > 0:
        limit = min(left, _STATES_AT_ONCE)
        found = [s async for s in graph.aget_state_history(config, filter=contains, before=before, limit=limit)]
        for snapshot in found:
            yield snapshot
        if len(found) < limit:
            return
        before = _before(found[-1].config["configurable"]["checkpoint_id"])
        left -= limit


def _before(checkpoint_id: str) -> Any:
    return {"configurable": {"checkpoint_id": checkpoint_id}}
