"""ThreadsService: checks requests and calls the repository. RPCs that are not here are not served."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import grpc

from runwire.api.resource.v1 import threads_pb2_grpc
from runwire.api.resource.v1.threads_pb2 import (
    CreateThreadRequest,
    CreateThreadResponse,
    DeleteThreadRequest,
    DeleteThreadResponse,
    GetThreadRequest,
    GetThreadResponse,
    ListThreadsRequest,
    ListThreadsResponse,
    ThreadFilter,
    ThreadIfExists,
    ThreadSortBy,
    ThreadStatus,
    ThreadView,
)
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.identity import tenant_of
from runwire.core.ids import new_uuid
from runwire.core.paging import binding
from runwire.resource.creation import digest
from runwire.resource.listing import Order, PageRequest
from runwire.resource.threads import Filter, Threads

_FILTER_IDS = 1000

_COLUMNS = {
    ThreadSortBy.THREAD_SORT_BY_UNSPECIFIED: "t.updated_at",
    ThreadSortBy.THREAD_SORT_BY_CREATE_TIME: "t.created_at",
    ThreadSortBy.THREAD_SORT_BY_UPDATE_TIME: "t.updated_at",
}


class ThreadsServicer(threads_pb2_grpc.ThreadsServiceServicer):
    """Create, get, list and delete."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def CreateThread(
        self, request: CreateThreadRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> CreateThreadResponse:
        """Creates a thread; idempotent by its id."""
        _check_create(request)
        thread = await self._threads.create(
            tenant_of(context),
            request.thread_id or str(new_uuid()),
            request.metadata.text or "{}",
            digest(request),
            keep=request.if_exists == ThreadIfExists.THREAD_IF_EXISTS_KEEP,
        )
        return CreateThreadResponse(thread=thread)

    async def GetThread(
        self, request: GetThreadRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> GetThreadResponse:
        """A thread, in full unless asked otherwise."""
        checks = Checks()
        checks.identifier("thread_id", request.thread_id)
        checks.enum("view", ThreadView, request.view)
        checks.done()
        full = request.view != ThreadView.THREAD_VIEW_BASIC
        thread = await self._threads.get(tenant_of(context), request.thread_id, full=full)
        return GetThreadResponse(thread=thread)

    async def ListThreads(
        self, request: ListThreadsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ListThreadsResponse:
        """A page of threads, without values unless asked otherwise."""
        page_request = _check_list(request)
        order = Order(
            column=_COLUMNS[request.sort_by],
            id_column="t.thread_id",
            descending=request.order != SortOrder.SORT_ORDER_ASCENDING,
        )
        full = request.view == ThreadView.THREAD_VIEW_FULL
        page = await self._threads.page(tenant_of(context), _filter(request.filter), order, page_request, full=full)
        return ListThreadsResponse(threads=page.messages, next_page_token=page.next_page_token)

    async def DeleteThread(
        self, request: DeleteThreadRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> DeleteThreadResponse:
        """Deletes a thread with everything under it."""
        checks = Checks()
        checks.identifier("thread_id", request.thread_id)
        checks.done()
        await self._threads.delete(tenant_of(context), request.thread_id)
        return DeleteThreadResponse()


def _check_create(request: CreateThreadRequest) -> None:
    checks = Checks()
    checks.identifier("thread_id", request.thread_id, required=False)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    checks.absent(request, ["ttl"])
    checks.enum("if_exists", ThreadIfExists, request.if_exists)
    checks.done()


def _check_list(request: ListThreadsRequest) -> PageRequest:
    checks = Checks()
    size, after = checks.page(request, key=datetime)
    wanted = request.filter
    checks.length("filter.thread_ids", wanted.thread_ids, 0, _FILTER_IDS)
    for index, thread_id in enumerate(wanted.thread_ids[:_FILTER_IDS]):
        checks.identifier(f"filter.thread_ids[{index}]", thread_id)
    checks.enum("filter.status", ThreadStatus, wanted.status)
    checks.json("filter.metadata_contains", wanted, limit=METADATA_LIMIT, must_be_object=True)
    checks.json("filter.values_contain", wanted, must_be_object=True)
    checks.enum("sort_by", ThreadSortBy, request.sort_by)
    checks.enum("order", SortOrder, request.order)
    checks.enum("view", ThreadView, request.view)
    checks.done()
    return PageRequest(size=size, after=after, bound_to=binding(request))


def _filter(wanted: ThreadFilter) -> Filter:
    return Filter(
        thread_ids=wanted.thread_ids,
        status=wanted.status,
        metadata_contains=wanted.metadata_contains.text if wanted.HasField("metadata_contains") else None,
        values_contain=wanted.values_contain.text if wanted.HasField("values_contain") else None,
    )
