"""WorkersService."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import grpc

from runwire.api.dispatch.v1.workers_pb2 import ListWorkersRequest, ListWorkersResponse
from runwire.api.dispatch.v1.workers_pb2_grpc import WorkersServiceServicer
from runwire.core import paging
from runwire.core.checks import Checks
from runwire.dispatch.runs_checks import moment_and_id
from runwire.dispatch.workers import Workers, worker_message

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class WorkersServicer(WorkersServiceServicer):
    """Checks requests and answers them from `Workers`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def ListWorkers(self, request: ListWorkersRequest, context: Context) -> ListWorkersResponse:
        """A page of workers."""
        size, place = _check_list(request)
        rows = await self._workers.list_page(request.graph_id or None, place, size + 1)
        return ListWorkersResponse(
            workers=map(worker_message, rows[:size]), next_page_token=_next_page(request, rows, size)
        )


def _check_list(request: ListWorkersRequest) -> tuple[int, tuple[datetime, UUID] | None]:
    checks = Checks()
    checks.identifier("graph_id", request.graph_id, required=False)
    size, place = checks.page(request)
    after = moment_and_id(checks, place) if place is not None else None
    checks.done()
    return size, after


def _next_page(request: ListWorkersRequest, rows: list[asyncpg.Record], size: int) -> str:
    if len(rows) <= size:
        return ""
    last = rows[size - 1]
    return paging.encode(paging.Place(last["started_at"], str(last["worker_id"])), paging.binding(request))
