"""ThreadsService: checks requests and calls the repositories."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.resource.v1 import threads_pb2_grpc
from runwire.api.resource.v1.threads_pb2 import (
    CopyThreadRequest,
    CopyThreadResponse,
    CountThreadsRequest,
    CountThreadsResponse,
    CreateThreadRequest,
    CreateThreadResponse,
    DeleteThreadRequest,
    DeleteThreadResponse,
    GetThreadRequest,
    GetThreadResponse,
    ListThreadsRequest,
    ListThreadsResponse,
    PruneThreadsRequest,
    PruneThreadsResponse,
    ThreadIfExists,
    ThreadView,
    UpdateThreadRequest,
    UpdateThreadResponse,
)
from runwire.core.identity import callers_tenant
from runwire.core.ids import new_uuid
from runwire.resource import thread_requests
from runwire.resource.creation import digest
from runwire.resource.pruning import Pruning
from runwire.resource.threads import Threads, Ttl

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ThreadsServicer(threads_pb2_grpc.ThreadsServiceServicer):
    """Threads; `default_ttl` is for new ones that do not say how long they live."""

    def __init__(self, threads: Threads, pruning: Pruning, default_ttl: Ttl | None) -> None:
        self._threads = threads
        self._pruning = pruning
        self._default_ttl = default_ttl

    async def CreateThread(self, request: CreateThreadRequest, context: Context) -> CreateThreadResponse:
        """Creates a thread; idempotent by its id."""
        thread_requests.check_create(request)
        thread = await self._threads.create(
            callers_tenant(),
            request.thread_id or str(new_uuid()),
            request.graph_id or None,
            request.metadata.text or "{}",
            thread_requests.ttl(request) or self._default_ttl,
            digest(request),
            keep=request.if_exists == ThreadIfExists.THREAD_IF_EXISTS_KEEP,
        )
        return CreateThreadResponse(thread=thread)

    async def GetThread(self, request: GetThreadRequest, context: Context) -> GetThreadResponse:
        """A thread, in full unless asked otherwise."""
        thread_requests.check_id(request.thread_id, request.view)
        full = request.view != ThreadView.THREAD_VIEW_BASIC
        thread = await self._threads.get(callers_tenant(), request.thread_id, full=full)
        return GetThreadResponse(thread=thread)

    async def ListThreads(self, request: ListThreadsRequest, context: Context) -> ListThreadsResponse:
        """A page of threads, without values unless asked otherwise."""
        wanted, order, page_request = thread_requests.listed(request)
        full = request.view == ThreadView.THREAD_VIEW_FULL
        page = await self._threads.page(callers_tenant(), wanted, order, page_request, full=full)
        return ListThreadsResponse(threads=page.messages, next_page_token=page.next_page_token)

    async def CountThreads(self, request: CountThreadsRequest, context: Context) -> CountThreadsResponse:
        """How many threads a list would have."""
        wanted = thread_requests.wanted(request.filter)
        return CountThreadsResponse(count=await self._threads.count(callers_tenant(), wanted))

    async def UpdateThread(self, request: UpdateThreadRequest, context: Context) -> UpdateThreadResponse:
        """Merges metadata and changes the time to live."""
        thread_requests.check_update(request)
        thread = await self._threads.update(
            callers_tenant(),
            request.thread_id,
            request.metadata.text if request.HasField("metadata") else None,
            thread_requests.ttl(request),
            clear_ttl=request.clear_ttl,
        )
        return UpdateThreadResponse(thread=thread)

    async def DeleteThread(self, request: DeleteThreadRequest, context: Context) -> DeleteThreadResponse:
        """Deletes a thread with everything under it."""
        thread_requests.check_id(request.thread_id)
        await self._threads.delete(callers_tenant(), request.thread_id)
        return DeleteThreadResponse()

    async def CopyThread(self, request: CopyThreadRequest, context: Context) -> CopyThreadResponse:
        """Copies a thread with its history; idempotent by the copy's id."""
        thread_requests.check_copy(request)
        target = request.target_thread_id or str(new_uuid())
        thread = await self._threads.copy(callers_tenant(), request.thread_id, target, digest(request))
        return CopyThreadResponse(thread=thread)

    async def PruneThreads(self, request: PruneThreadsRequest, context: Context) -> PruneThreadsResponse:
        """Frees what threads without an active run hold."""
        thread_requests.check_prune(request)
        keep_latest = thread_requests.keeps_latest(request.strategy)
        count = await self._pruning.prune(callers_tenant(), request.thread_ids, keep_latest=keep_latest)
        return PruneThreadsResponse(pruned_count=count)
