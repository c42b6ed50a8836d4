"""AssistantsService: checks requests and calls the repositories."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.resource.v1 import assistants_pb2_grpc
from runwire.api.resource.v1.assistants_pb2 import (
    CountAssistantsRequest,
    CountAssistantsResponse,
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
    ListAssistantSubgraphsRequest,
    ListAssistantSubgraphsResponse,
    ListAssistantVersionsRequest,
    ListAssistantVersionsResponse,
    SetLatestAssistantVersionRequest,
    SetLatestAssistantVersionResponse,
    UpdateAssistantRequest,
    UpdateAssistantResponse,
)
from runwire.core.identity import callers_tenant, require
from runwire.core.scopes import THREADS_WRITE
from runwire.resource import assistant_requests
from runwire.resource.assistant_versions import AssistantVersions
from runwire.resource.assistants import Assistants
from runwire.resource.creation import digest
from runwire.resource.graphs import Graphs

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AssistantsServicer(assistants_pb2_grpc.AssistantsServiceServicer):
    """Assistants, their versions, and what workers published about their graphs."""

    def __init__(self, assistants: Assistants, versions: AssistantVersions, graphs: Graphs) -> None:
        self._assistants = assistants
        self._versions = versions
        self._graphs = graphs

    async def CreateAssistant(self, request: CreateAssistantRequest, context: Context) -> CreateAssistantResponse:
        """Creates an assistant; idempotent by its id."""
        new = assistant_requests.new_assistant(request)
        keep = request.if_exists == IfExists.IF_EXISTS_KEEP
        assistant = await self._assistants.create(callers_tenant(), new, digest(request), keep=keep)
        return CreateAssistantResponse(assistant=assistant)

    async def GetAssistant(self, request: GetAssistantRequest, context: Context) -> GetAssistantResponse:
        """An assistant in its latest version."""
        assistant_requests.check_id(request.assistant_id)
        assistant = await self._assistants.get(callers_tenant(), request.assistant_id)
        return GetAssistantResponse(assistant=assistant)

    async def ListAssistants(self, request: ListAssistantsRequest, context: Context) -> ListAssistantsResponse:
        """A page of assistants in their latest versions."""
        page = await self._assistants.page(callers_tenant(), *assistant_requests.listed(request))
        return ListAssistantsResponse(assistants=page.messages, next_page_token=page.next_page_token)

    async def CountAssistants(self, request: CountAssistantsRequest, context: Context) -> CountAssistantsResponse:
        """How many assistants a list would have."""
        wanted = assistant_requests.wanted(request.filter)
        return CountAssistantsResponse(count=await self._assistants.count(callers_tenant(), wanted))

    async def UpdateAssistant(self, request: UpdateAssistantRequest, context: Context) -> UpdateAssistantResponse:
        """Adds a version and makes it the latest."""
        changes = assistant_requests.changes(request)
        assistant = await self._versions.add(callers_tenant(), request.assistant_id, changes)
        return UpdateAssistantResponse(assistant=assistant)

    async def DeleteAssistant(self, request: DeleteAssistantRequest, context: Context) -> DeleteAssistantResponse:
        """Deletes an assistant and cancels its active runs."""
        assistant_requests.check_id(request.assistant_id)
        if request.delete_threads:
            require(THREADS_WRITE)
        await self._assistants.delete(callers_tenant(), request.assistant_id, with_threads=request.delete_threads)
        return DeleteAssistantResponse()

    async def ListAssistantVersions(
        self, request: ListAssistantVersionsRequest, context: Context
    ) -> ListAssistantVersionsResponse:
        """A page of an assistant's versions, the newest first."""
        page_request = assistant_requests.version_page(request)
        contains = request.metadata_contains.text if request.HasField("metadata_contains") else None
        page = await self._versions.page(callers_tenant(), request.assistant_id, contains, page_request)
        return ListAssistantVersionsResponse(versions=page.messages, next_page_token=page.next_page_token)

    async def SetLatestAssistantVersion(
        self, request: SetLatestAssistantVersionRequest, context: Context
    ) -> SetLatestAssistantVersionResponse:
        """Makes any version the latest, whole."""
        assistant_requests.check_version(request)
        assistant = await self._versions.set_latest(callers_tenant(), request.assistant_id, request.version)
        return SetLatestAssistantVersionResponse(assistant=assistant)

    async def GetAssistantGraph(self, request: GetAssistantGraphRequest, context: Context) -> GetAssistantGraphResponse:
        """The drawing of the assistant's graph."""
        assistant_requests.check_drawing(request)
        drawing = await self._graphs.drawing(callers_tenant(), request.assistant_id, request.xray_depth)
        return GetAssistantGraphResponse(nodes=drawing.nodes, edges=drawing.edges)

    async def GetAssistantSchemas(
        self, request: GetAssistantSchemasRequest, context: Context
    ) -> GetAssistantSchemasResponse:
        """The JSON schemas of the assistant's graph."""
        assistant_requests.check_id(request.assistant_id)
        graph_id, schemas = await self._graphs.schemas(callers_tenant(), request.assistant_id)
        return GetAssistantSchemasResponse(graph_id=graph_id, schemas=schemas)

    async def ListAssistantSubgraphs(
        self, request: ListAssistantSubgraphsRequest, context: Context
    ) -> ListAssistantSubgraphsResponse:
        """A page of the subgraphs of the assistant's graph."""
        page_request = assistant_requests.subgraph_page(request)
        page = await self._graphs.subgraphs(
            callers_tenant(), request.assistant_id, request.namespace, page_request, recurse=request.recurse
        )
        return ListAssistantSubgraphsResponse(subgraphs=page.messages, next_page_token=page.next_page_token)
