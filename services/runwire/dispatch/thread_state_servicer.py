"""ThreadStateService."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.dispatch.v1.thread_state_pb2 import GetThreadStateRequest, GetThreadStateResponse
from runwire.api.dispatch.v1.thread_state_pb2_grpc import ThreadStateServiceServicer
from runwire.core.checks import Checks
from runwire.core.identity import tenant_of
from runwire.dispatch.thread_state import ThreadStates

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_MAX_SECONDS = 30.0


class ThreadStateServicer(ThreadStateServiceServicer):
    """Checks requests and has workers answer them."""

    def __init__(self, states: ThreadStates) -> None:
        self._states = states

    async def GetThreadState(self, request: GetThreadStateRequest, context: Context) -> GetThreadStateResponse:
        """The state at the thread's head."""
        _check(request)
        response = await self._states.ask(
            tenant_of(context), request.thread_id, "get", request.SerializeToString(), _limit(context)
        )
        answer: GetThreadStateResponse = GetThreadStateResponse.FromString(response)
        return answer


def _check(request: GetThreadStateRequest) -> None:
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    checks.absent(request, ("checkpoint", "subgraphs"))
    checks.done()


def _limit(context: Context) -> float:
    # Without a deadline there is no remaining time.
    return min(context.time_remaining() or _MAX_SECONDS, _MAX_SECONDS)
