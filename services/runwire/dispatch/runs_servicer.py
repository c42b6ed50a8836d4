"""RunsService."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import grpc

from runwire.api.dispatch.v1.runs_pb2 import (
    CancelRunRequest,
    CancelRunResponse,
    CreateRunRequest,
    CreateRunResponse,
    GetRunRequest,
    GetRunResponse,
    ListRunsRequest,
    ListRunsResponse,
    RunFilter,
)
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceServicer
from runwire.api.type.v1 import run_pb2, sorting_pb2
from runwire.core import paging
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.identity import tenant_of
from runwire.core.run_message import run_message
from runwire.dispatch import run_requests
from runwire.dispatch.runs import Runs

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_ACTIONS = {
    run_pb2.CANCEL_ACTION_UNSPECIFIED: "interrupt",
    run_pb2.CANCEL_ACTION_INTERRUPT: "interrupt",
    run_pb2.CANCEL_ACTION_ROLLBACK: "rollback",
}


class RunsServicer(RunsServiceServicer):
    """Checks requests and answers them from `Runs`."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def CreateRun(self, request: CreateRunRequest, context: Context) -> CreateRunResponse:
        """Stores a run."""
        row = await self._runs.create(tenant_of(context), run_requests.check(request))
        return CreateRunResponse(run=run_message(row))

    async def GetRun(self, request: GetRunRequest, context: Context) -> GetRunResponse:
        """One run."""
        row = await self._runs.get(tenant_of(context), _run_id(request.run_id, Checks()))
        return GetRunResponse(run=run_message(row))

    async def ListRuns(self, request: ListRunsRequest, context: Context) -> ListRunsResponse:
        """A page of runs."""
        size, place = _check_list(request)
        ascending = request.order == sorting_pb2.SORT_ORDER_ASCENDING
        rows = await self._runs.list_page(
            tenant_of(context), request.filter, place, ascending=ascending, limit=size + 1
        )
        return ListRunsResponse(runs=map(run_message, rows[:size]), next_page_token=_next_page(request, rows, size))

    async def CancelRun(self, request: CancelRunRequest, context: Context) -> CancelRunResponse:
        """Asks for a run's end."""
        checks = Checks()
        checks.enum("action", run_pb2.CancelAction, request.action)
        run_id = _run_id(request.run_id, checks)
        row = await self._runs.cancel(tenant_of(context), run_id, _ACTIONS[request.action])
        return CancelRunResponse(run=run_message(row))


def _run_id(text: str, checks: Checks) -> UUID:
    run_id = checks.uuid("run_id", text)
    checks.done()
    assert run_id is not None
    return run_id


def _check_list(request: ListRunsRequest) -> tuple[int, tuple[datetime, UUID] | None]:
    checks = Checks()
    _check_filter(checks, request.filter)
    checks.enum("order", sorting_pb2.SortOrder, request.order)
    size, place = checks.page(request)
    after = _place(checks, place) if place is not None else None
    checks.done()
    return size, after


def _check_filter(checks: Checks, where: RunFilter) -> None:
    checks.identifier("filter.thread_id", where.thread_id, required=False)
    checks.identifier("filter.assistant_id", where.assistant_id, required=False)
    checks.json("filter.metadata_contains", where, limit=METADATA_LIMIT, must_be_object=True)
    for number, status in enumerate(where.statuses):
        checks.enum(f"filter.statuses[{number}]", run_pb2.RunStatus, status)


def _place(checks: Checks, place: paging.Place) -> tuple[datetime, UUID] | None:
    # A token is readable, so what is in it may be anybody's.
    try:
        if isinstance(place.key, datetime) and place.key.tzinfo is not None:
            return place.key.astimezone(UTC), UUID(place.row_id)
    except (ValueError, OverflowError):
        pass
    checks.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
    return None


def _next_page(request: ListRunsRequest, rows: list[asyncpg.Record], size: int) -> str:
    if len(rows) <= size:
        return ""
    last = rows[size - 1]
    return paging.encode(paging.Place(last["created_at"], str(last["run_id"])), paging.binding(request))
