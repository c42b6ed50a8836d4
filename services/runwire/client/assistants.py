"""Assistants: graphs with settings, in versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from runwire.api.resource.v1 import assistants_pb2 as pb
from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceStub
from runwire.client.codec import decode, encode
from runwire.client.listing import Listing
from runwire.client.requests import new_id
from runwire.client.results import Assistant, AssistantVersion, Graph, GraphSchemas, Subgraph
from runwire.client.wire import Wire
from runwire.client.words import Config, IfExists, SortOrder


class Assistants:
    """Assistants, and what their graphs look like. Each graph that a worker serves has a default assistant."""

    def __init__(self, wire: Wire, stub: AssistantsServiceStub) -> None:
        self._wire = wire
        self._stub = stub

    async def get(self, assistant_id: str) -> Assistant:
        """An assistant by its id, or a graph's default assistant by the graph's id."""
        request = pb.GetAssistantRequest(assistant_id=assistant_id)
        return decode(Assistant, (await self._wire.unary(self._stub.GetAssistant, request)).assistant)

    async def get_graph(self, assistant_id: str, *, xray: int = 0) -> Graph:
        """The drawing of its graph, with subgraphs down to the depth `xray`."""
        request = pb.GetAssistantGraphRequest(assistant_id=assistant_id, xray_depth=xray)
        response = await self._wire.unary(self._stub.GetAssistantGraph, request)
        return decode(Graph, response)

    async def get_schemas(self, assistant_id: str) -> GraphSchemas:
        """The JSON schemas of its graph."""
        request = pb.GetAssistantSchemasRequest(assistant_id=assistant_id)
        return decode(GraphSchemas, (await self._wire.unary(self._stub.GetAssistantSchemas, request)).schemas)

    def get_subgraphs(
        self, assistant_id: str, namespace: str = "", recurse: bool = False, *, limit: int | None = None
    ) -> Listing[Subgraph]:
        """The subgraphs of its graph, all or one; with `recurse` those inside of subgraphs as well."""
        request = pb.ListAssistantSubgraphsRequest(assistant_id=assistant_id, namespace=namespace, recurse=recurse)
        return Listing[Subgraph](
            self._wire,
            self._stub.ListAssistantSubgraphs,
            request,
            limit=limit,
        )

    async def create(
        self,
        graph_id: str,
        config: Config | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        assistant_id: str | None = None,
        if_exists: IfExists = "fail",
        name: str | None = None,
        description: str | None = None,
    ) -> Assistant:
        """Creates an assistant, as version 1."""
        request = encode(
            pb.CreateAssistantRequest,
            assistant_id=assistant_id or new_id(),
            graph_id=graph_id,
            name=name,
            description=description,
            config=config,
            context=context,
            metadata=metadata,
            if_exists=if_exists,
        )
        return decode(Assistant, (await self._wire.unary(self._stub.CreateAssistant, request)).assistant)

    async def update(
        self,
        assistant_id: str,
        *,
        graph_id: str | None = None,
        config: Config | None = None,
        context: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
        description: str | None = None,
        if_version: int | None = None,
    ) -> Assistant:
        """Adds a version and makes it the latest. `metadata` is merged, the rest replaced.

        With `if_version` only if that is the latest now, else Aborted. Without it, a call that is repeated because its
        answer was lost may add the version twice.
        """
        request = encode(
            pb.UpdateAssistantRequest,
            assistant_id=assistant_id,
            graph_id=graph_id,
            name=name,
            description=description,
            config=config,
            context=context,
            metadata=metadata,
            if_version=if_version,
        )
        return decode(Assistant, (await self._wire.unary(self._stub.UpdateAssistant, request)).assistant)

    async def delete(self, assistant_id: str, *, delete_threads: bool = False) -> None:
        """Deletes an assistant with its versions and crons, and cancels its active runs."""
        request = pb.DeleteAssistantRequest(assistant_id=assistant_id, delete_threads=delete_threads)
        await self._wire.unary(self._stub.DeleteAssistant, request)

    def search(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        graph_id: str | None = None,
        name: str | None = None,
        limit: int | None = None,
        sort_by: Literal["create_time", "update_time", "name"] = "create_time",
        sort_order: SortOrder = "descending",
    ) -> Listing[Assistant]:
        """Assistants with this metadata, of this graph, with this text in the name."""
        request = encode(
            pb.ListAssistantsRequest, filter=_filter(metadata, graph_id, name), sort_by=sort_by, order=sort_order
        )
        return Listing[Assistant](
            self._wire,
            self._stub.ListAssistants,
            request,
            limit=limit,
        )

    async def count(
        self, *, metadata: Mapping[str, Any] | None = None, graph_id: str | None = None, name: str | None = None
    ) -> int:
        """How many `search` would find."""
        request = pb.CountAssistantsRequest(filter=_filter(metadata, graph_id, name))
        return (await self._wire.unary(self._stub.CountAssistants, request)).count

    def get_versions(
        self, assistant_id: str, metadata: Mapping[str, Any] | None = None, *, limit: int | None = None
    ) -> Listing[AssistantVersion]:
        """Its versions, the newest first."""
        request = encode(pb.ListAssistantVersionsRequest, assistant_id=assistant_id, metadata_contains=metadata)
        return Listing[AssistantVersion](
            self._wire,
            self._stub.ListAssistantVersions,
            request,
            limit=limit,
        )

    async def set_latest(self, assistant_id: str, version: int) -> Assistant:
        """Makes any version the latest, whole."""
        request = pb.SetLatestAssistantVersionRequest(assistant_id=assistant_id, version=version)
        return decode(Assistant, (await self._wire.unary(self._stub.SetLatestAssistantVersion, request)).assistant)


def _filter(metadata: Mapping[str, Any] | None, graph_id: str | None, name: str | None) -> pb.AssistantFilter:
    return encode(pb.AssistantFilter, metadata_contains=metadata, graph_id=graph_id, name_contains=name)
