"""What requests about assistants may say, and what they ask for. No IO."""

from __future__ import annotations

from datetime import datetime

from runwire.api.resource.v1.assistants_pb2 import (
    AssistantFilter,
    AssistantSortBy,
    CreateAssistantRequest,
    GetAssistantGraphRequest,
    IfExists,
    ListAssistantsRequest,
    ListAssistantSubgraphsRequest,
    ListAssistantVersionsRequest,
    SetLatestAssistantVersionRequest,
    UpdateAssistantRequest,
)
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.ids import new_uuid
from runwire.core.paging import Place, binding
from runwire.core.run_config import check_config
from runwire.resource.assistant_versions import Changes
from runwire.resource.assistants import Filter, NewAssistant
from runwire.resource.listing import Order, PageRequest

_UNTITLED = "Untitled"
_NAME_BYTES = 256
_DESCRIPTION_BYTES = 4 * 1024
_NAMESPACE_BYTES = 4 * 1024
_XRAY_DEPTH = 10
_LAST_VERSION = 2**31 - 1

_COLUMNS = {
    AssistantSortBy.ASSISTANT_SORT_BY_UNSPECIFIED: "a.created_at",
    AssistantSortBy.ASSISTANT_SORT_BY_CREATE_TIME: "a.created_at",
    AssistantSortBy.ASSISTANT_SORT_BY_UPDATE_TIME: "a.updated_at",
    AssistantSortBy.ASSISTANT_SORT_BY_NAME: "v.name",
}


def check_id(assistant_id: str) -> None:
    """Checks a request that has an assistant's id and nothing else to check."""
    checks = Checks()
    checks.identifier("assistant_id", assistant_id)
    checks.done()


def new_assistant(request: CreateAssistantRequest) -> NewAssistant:
    """The assistant to create."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id, required=False)
    checks.identifier("graph_id", request.graph_id)
    _check_content(checks, request)
    checks.enum("if_exists", IfExists, request.if_exists)
    checks.done()
    return NewAssistant(
        assistant_id=request.assistant_id or str(new_uuid()),
        graph_id=request.graph_id,
        name=request.name or _UNTITLED,
        description=request.description,
        config=request.config,
        context=request.context.text if request.HasField("context") else None,
        metadata=request.metadata.text or "{}",
    )


def changes(request: UpdateAssistantRequest) -> Changes:
    """What the new version changes."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id)
    if request.HasField("graph_id"):
        checks.identifier("graph_id", request.graph_id)
    _check_content(checks, request)
    if request.HasField("if_version"):
        checks.number("if_version", request.if_version, 1, _LAST_VERSION)
    checks.done()
    return Changes(
        graph_id=request.graph_id if request.HasField("graph_id") else None,
        name=request.name or _UNTITLED if request.HasField("name") else None,
        description=request.description if request.HasField("description") else None,
        config=request.config if request.HasField("config") else None,
        context=request.context.text if request.HasField("context") else None,
        metadata=request.metadata.text if request.HasField("metadata") else None,
        if_version=request.if_version if request.HasField("if_version") else None,
    )


def _check_content(checks: Checks, request: CreateAssistantRequest | UpdateAssistantRequest) -> None:
    checks.text("name", request.name, _NAME_BYTES)
    checks.text("description", request.description, _DESCRIPTION_BYTES)
    check_config(checks, request)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)


def check_version(request: SetLatestAssistantVersionRequest) -> None:
    """Checks which version is to be the latest."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id)
    if checks.require("version", request.version):
        checks.number("version", request.version, 1, _LAST_VERSION)
    checks.done()


def check_drawing(request: GetAssistantGraphRequest) -> None:
    """Checks which graph is to be drawn."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id)
    checks.number("xray_depth", request.xray_depth, 0, _XRAY_DEPTH)
    checks.done()


def wanted(filter: AssistantFilter) -> Filter:
    """Which assistants to list or to count."""
    checks = Checks()
    _check_filter(checks, filter)
    checks.done()
    return _wanted(filter)


def _check_filter(checks: Checks, filter: AssistantFilter) -> None:
    checks.identifier("filter.graph_id", filter.graph_id, required=False)
    checks.text("filter.name_contains", filter.name_contains, _NAME_BYTES)
    checks.json("filter.metadata_contains", filter, limit=METADATA_LIMIT, must_be_object=True)


def _wanted(filter: AssistantFilter) -> Filter:
    return Filter(
        graph_id=filter.graph_id,
        name_contains=filter.name_contains,
        metadata_contains=filter.metadata_contains.text if filter.HasField("metadata_contains") else None,
    )


def listed(request: ListAssistantsRequest) -> tuple[Filter, Order, PageRequest]:
    """Which assistants, in which order, on which page."""
    checks = Checks()
    by_name = request.sort_by == AssistantSortBy.ASSISTANT_SORT_BY_NAME
    size, after = checks.page(request, key=str if by_name else datetime)
    _check_filter(checks, request.filter)
    checks.enum("sort_by", AssistantSortBy, request.sort_by)
    checks.enum("order", SortOrder, request.order)
    checks.done()
    order = Order(
        column=_COLUMNS[request.sort_by],
        id_column="a.assistant_id",
        descending=request.order != SortOrder.SORT_ORDER_ASCENDING,
    )
    return _wanted(request.filter), order, PageRequest(size=size, after=after, bound_to=binding(request))


def version_page(request: ListAssistantVersionsRequest) -> PageRequest:
    """Which page of versions."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id)
    checks.json("metadata_contains", request, limit=METADATA_LIMIT, must_be_object=True)
    size, after = checks.page(request, key=int)
    if after is not None and not _is_version(after):
        checks.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
    checks.done()
    return PageRequest(size=size, after=after, bound_to=binding(request))


def _is_version(place: Place) -> bool:
    return isinstance(place.key, int) and 1 <= place.key <= _LAST_VERSION


def subgraph_page(request: ListAssistantSubgraphsRequest) -> PageRequest:
    """Which page of subgraphs."""
    checks = Checks()
    checks.identifier("assistant_id", request.assistant_id)
    checks.text("namespace", request.namespace, _NAMESPACE_BYTES)
    size, after = checks.page(request, key=str)
    checks.done()
    return PageRequest(size=size, after=after, bound_to=binding(request))
