"""RunsService."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.dispatch.v1.runs_pb2 import (
    BatchCancelRunsRequest,
    BatchCancelRunsResponse,
    BatchCreateRunsRequest,
    BatchCreateRunsResponse,
    CancelRunRequest,
    CancelRunResponse,
    CountRunsRequest,
    CountRunsResponse,
    CreateRunRequest,
    CreateRunResponse,
    DeleteRunRequest,
    DeleteRunResponse,
    GetRunRequest,
    GetRunResponse,
    ListRunsRequest,
    ListRunsResponse,
)
from runwire.api.type.v1 import sorting_pb2
from runwire.core.identity import callers_tenant
from runwire.core.paging import binding
from runwire.core.run_message import run_message
from runwire.dispatch import run_requests, runs_checks
from runwire.dispatch.runs import Runs
from runwire.dispatch.webhooks import Deliveries
from runwire.dispatch.webhooks_servicer import WebhooksServicer

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class RunsServicer(WebhooksServicer):
    """Checks requests and answers them from `Runs`."""

    def __init__(self, runs: Runs, deliveries: Deliveries, private_webhooks: bool = False) -> None:
        super().__init__(deliveries)
        self._runs = runs
        self._private_webhooks = private_webhooks

    async def CreateRun(self, request: CreateRunRequest, context: Context) -> CreateRunResponse:
        """Stores a run."""
        order = run_requests.check(request, private_webhooks=self._private_webhooks)
        row = await self._runs.create(callers_tenant(), order)
        return CreateRunResponse(run=run_message(row))

    async def BatchCreateRuns(self, request: BatchCreateRunsRequest, context: Context) -> BatchCreateRunsResponse:
        """Stores all of the runs or none."""
        orders = runs_checks.check_batch_create(request, private_webhooks=self._private_webhooks)
        return BatchCreateRunsResponse(runs=await self._runs.create_all(callers_tenant(), orders))

    async def GetRun(self, request: GetRunRequest, context: Context) -> GetRunResponse:
        """One run."""
        row = await self._runs.get(callers_tenant(), runs_checks.check_id(request.run_id))
        return GetRunResponse(run=run_message(row))

    async def ListRuns(self, request: ListRunsRequest, context: Context) -> ListRunsResponse:
        """A page of runs."""
        size, place = runs_checks.check_list(request)
        ascending = request.order == sorting_pb2.SORT_ORDER_ASCENDING
        page = await self._runs.page(
            callers_tenant(),
            request.filter,
            place,
            ascending=ascending,
            size=size,
            bound_to=binding(request),
        )
        return ListRunsResponse(runs=page.messages, next_page_token=page.next_page_token)

    async def CountRuns(self, request: CountRunsRequest, context: Context) -> CountRunsResponse:
        """How many runs."""
        where = runs_checks.check_count(request)
        return CountRunsResponse(count=await self._runs.count(callers_tenant(), where))

    async def CancelRun(self, request: CancelRunRequest, context: Context) -> CancelRunResponse:
        """Asks for a run's end."""
        run_id, action = runs_checks.check_cancel(request)
        return CancelRunResponse(run=run_message(await self._runs.cancel(callers_tenant(), run_id, action)))

    async def BatchCancelRuns(self, request: BatchCancelRunsRequest, context: Context) -> BatchCancelRunsResponse:
        """Asks for the end of many runs."""
        rows = await self._runs.cancel_all(callers_tenant(), runs_checks.check_batch_cancel(request))
        return BatchCancelRunsResponse(runs=map(run_message, rows))

    async def DeleteRun(self, request: DeleteRunRequest, context: Context) -> DeleteRunResponse:
        """Removes a run that has ended."""
        await self._runs.delete(callers_tenant(), runs_checks.check_id(request.run_id))
        return DeleteRunResponse()
