"""ThreadStateService."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.dispatch.v1.thread_state_pb2 import (
    GetThreadStateRequest,
    GetThreadStateResponse,
    ListThreadHistoryRequest,
    ListThreadHistoryResponse,
    UpdateThreadStateRequest,
    UpdateThreadStateResponse,
)
from runwire.api.dispatch.v1.thread_state_pb2_grpc import ThreadStateServiceServicer
from runwire.core.identity import callers_tenant
from runwire.dispatch.thread_state import ThreadStates
from runwire.dispatch.thread_state_requests import check_get, check_update, page_of_history, with_token

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_MAX_SECONDS = 30.0


class ThreadStateServicer(ThreadStateServiceServicer):
    """Checks requests and has workers answer them."""

    def __init__(self, states: ThreadStates) -> None:
        self._states = states

    async def GetThreadState(self, request: GetThreadStateRequest, context: Context) -> GetThreadStateResponse:
        """The state at the thread's head, or at a checkpoint."""
        check_get(request)
        answer: GetThreadStateResponse = GetThreadStateResponse.FromString(await self._ask("get", request, context))
        return answer

    async def ListThreadHistory(self, request: ListThreadHistoryRequest, context: Context) -> ListThreadHistoryResponse:
        """A page of the thread's states."""
        page = page_of_history(request)
        answer = ListThreadHistoryResponse.FromString(await self._ask("history", page, context))
        return with_token(answer, request)

    async def UpdateThreadState(self, request: UpdateThreadStateRequest, context: Context) -> UpdateThreadStateResponse:
        """Writes to the thread's state."""
        check_update(request)
        answer = UpdateThreadStateResponse.FromString(await self._ask("update", request, context))
        return answer

    async def _ask(self, kind: str, request: Any, context: Context) -> bytes:
        # Without a deadline there is no remaining time.
        limit = min(context.time_remaining() or _MAX_SECONDS, _MAX_SECONDS)
        return await self._states.ask(callers_tenant(), request.thread_id, kind, request.SerializeToString(), limit)
