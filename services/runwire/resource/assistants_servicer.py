"""AssistantsService: checks requests and calls the repositories. RPCs that are not here are not served."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import grpc

from runwire.api.resource.v1 import assistants_pb2_grpc
from runwire.api.resource.v1.assistants_pb2 import (
    AssistantFilter,
    AssistantSortBy,
    CreateAssistantRequest,
    CreateAssistantResponse,
    DeleteAssistantRequest,
    DeleteAssistantResponse,
    GetAssistantGraphRequest,
    GetAssistantGraphResponse,
    GetAssistantRequest,
    GetAssistantResponse,
    GetAssistantSchemasRequest,
    GetAssistantSchemasResponse,
    IfExists,
    ListAssistantsRequest,
    ListAssistantsResponse,
)
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.identity import tenant_of
from runwire.core.ids import new_uuid
from runwire.core.paging import binding
from runwire.core.run_config import check_config
from runwire.resource.assistants import Assistants, Filter, NewAssistant
from runwire.resource.creation import digest
from runwire.resource.graphs import Graphs
from runwire.resource.listing import Order, PageRequest

_NAME_BYTES = 256
_DESCRIPTION_BYTES = 4 * 1024
_XRAY_DEPTH = 10

_COLUMNS = {
    AssistantSortBy.ASSISTANT_SORT_BY_UNSPECIFIED: "a.created_at",
    AssistantSortBy.ASSISTANT_SORT_BY_CREATE_TIME: "a.created_at",
    AssistantSortBy.ASSISTANT_SORT_BY_UPDATE_TIME: "a.updated_at",
    AssistantSortBy.ASSISTANT_SORT_BY_NAME: "v.name",
}


class AssistantsServicer(assistants_pb2_grpc.AssistantsServiceServicer):
    """Create, get, list, delete, and what workers published about the graphs."""

    def __init__(self, assistants: Assistants, graphs: Graphs) -> None:
        self._assistants = assistants
        self._graphs = graphs

    async def CreateAssistant(
        self, request: CreateAssistantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> CreateAssistantResponse:
        """Creates an assistant; idempotent by its id."""
        _check_create(request)
        assistant = await self._assistants.create(
            tenant_of(context),
            _new(request),
            digest(request),
            keep=request.if_exists == IfExists.IF_EXISTS_KEEP,
        )
        return CreateAssistantResponse(assistant=assistant)

    async def GetAssistant(
        self, request: GetAssistantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> GetAssistantResponse:
        """An assistant in its latest version."""
        _check_id(request.assistant_id)
        assistant = await self._assistants.get(tenant_of(context), request.assistant_id)
        return GetAssistantResponse(assistant=assistant)

    async def ListAssistants(
        self, request: ListAssistantsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ListAssistantsResponse:
        """A page of assistants in their latest versions."""
        page_request = _check_list(request)
        order = Order(
            column=_COLUMNS[request.sort_by],
            id_column="a.assistant_id",
            descending=request.order != SortOrder.SORT_ORDER_ASCENDING,
        )
        page = await self._assistants.page(tenant_of(context), _filter(request.filter), order, page_request)
        return ListAssistantsResponse(assistants=page.messages, next_page_token=page.next_page_token)

    async def DeleteAssistant(
        self, request: DeleteAssistantRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> DeleteAssistantResponse:
        """Deletes an assistant and cancels its active runs."""
        _check_id(request.assistant_id)
        await self._assistants.delete(tenant_of(context), request.assistant_id, with_threads=request.delete_threads)
        return DeleteAssistantResponse()

    async def GetAssistantGraph(
        self, request: GetAssistantGraphRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> GetAssistantGraphResponse:
        """The drawing of the assistant's graph."""
        checks = Checks()
        checks.identifier("assistant_id", request.assistant_id)
        checks.number("xray_depth", request.xray_depth, 0, _XRAY_DEPTH)
        checks.done()
        drawing = await self._graphs.drawing(tenant_of(context), request.assistant_id, request.xray_depth)
        return GetAssistantGraphResponse(nodes=drawing.nodes, edges=drawing.edges)

    async def GetAssistantSchemas(
        self, request: GetAssistantSchemasRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> GetAssistantSchemasResponse:
        """The JSON schemas of the assistant's graph."""
        _check_id(request.assistant_id)
        graph_id, schemas = await self._graphs.schemas(tenant_of(context), request.assistant_id)
        return GetAssistantSchemasResponse(graph_id=graph_id, schemas=schemas)


def _check_id(assistant_id: str) -> None:
    checks = Checks()
    checks.identifier("assistant_id", assistant_id)
    checks.done()


def _check_create(request: CreateAssistantRequest) -> None:
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id, required=False)
    checks.identifier("graph_id", request.graph_id)
    checks.text("name", request.name, _NAME_BYTES)
    checks.text("description", request.description, _DESCRIPTION_BYTES)
    check_config(checks, request)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    checks.enum("if_exists", IfExists, request.if_exists)
    checks.done()


def _new(request: CreateAssistantRequest) -> NewAssistant:
    return NewAssistant(
        assistant_id=request.assistant_id or str(new_uuid()),
        graph_id=request.graph_id,
        name=request.name or "Untitled",
        description=request.description,
        config=request.config,
        context=request.context.text if request.HasField("context") else None,
        metadata=request.metadata.text or "{}",
    )


def _check_list(request: ListAssistantsRequest) -> PageRequest:
    checks = Checks()
    by_name = request.sort_by == AssistantSortBy.ASSISTANT_SORT_BY_NAME
    size, after = checks.page(request, key=str if by_name else datetime)
    wanted = request.filter
    checks.identifier("filter.graph_id", wanted.graph_id, required=False)
    checks.text("filter.name_contains", wanted.name_contains, _NAME_BYTES)
    checks.json("filter.metadata_contains", wanted, limit=METADATA_LIMIT, must_be_object=True)
    checks.enum("sort_by", AssistantSortBy, request.sort_by)
    checks.enum("order", SortOrder, request.order)
    checks.done()
    return PageRequest(size=size, after=after, bound_to=binding(request))


def _filter(wanted: AssistantFilter) -> Filter:
    return Filter(
        graph_id=wanted.graph_id,
        name_contains=wanted.name_contains,
        metadata_contains=wanted.metadata_contains.text if wanted.HasField("metadata_contains") else None,
    )
