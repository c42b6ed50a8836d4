"""What requests about threads may say, and what they ask for. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runwire.api.resource.v1.threads_pb2 import (
    CopyThreadRequest,
    CreateThreadRequest,
    ListThreadsRequest,
    PruneThreadsRequest,
    ThreadFilter,
    ThreadIfExists,
    ThreadSortBy,
    ThreadStatus,
    ThreadView,
    TtlStrategy,
    UpdateThreadRequest,
)
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.expiry import LONGEST, SHORTEST
from runwire.core.paging import binding
from runwire.resource.listing import Order, PageRequest
from runwire.resource.threads import Filter, Ttl

_IDS = 1000

_COLUMNS = {
    ThreadSortBy.THREAD_SORT_BY_UNSPECIFIED: "t.updated_at",
    ThreadSortBy.THREAD_SORT_BY_CREATE_TIME: "t.created_at",
    ThreadSortBy.THREAD_SORT_BY_UPDATE_TIME: "t.updated_at",
}


def check_id(thread_id: str, view: int = ThreadView.THREAD_VIEW_UNSPECIFIED) -> None:
    """Checks which thread, and how much of it."""
    checks = Checks()
    checks.identifier("thread_id", thread_id)
    checks.enum("view", ThreadView, view)
    checks.done()


def check_create(request: CreateThreadRequest) -> None:
    """Checks a new thread."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id, required=False)
    checks.identifier("graph_id", request.graph_id, required=False)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    _check_ttl(checks, request)
    checks.enum("if_exists", ThreadIfExists, request.if_exists)
    checks.done()


def check_update(request: UpdateThreadRequest) -> None:
    """Checks a change."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    _check_ttl(checks, request)
    if request.clear_ttl and request.HasField("ttl"):
        checks.add("clear_ttl", "FIELDS_CONFLICT", "excludes ttl")
    checks.done()


def _check_ttl(checks: Checks, request: CreateThreadRequest | UpdateThreadRequest) -> None:
    if not request.HasField("ttl"):
        return
    checks.enum("ttl.strategy", TtlStrategy, request.ttl.strategy)
    if checks.require("ttl.duration", request.ttl.HasField("duration")):
        checks.duration("ttl.duration", request.ttl.duration, SHORTEST, LONGEST)


def ttl(request: CreateThreadRequest | UpdateThreadRequest) -> Ttl | None:
    """The time to live that a request asks for."""
    if not request.HasField("ttl"):
        return None
    duration: timedelta = request.ttl.duration.ToTimedelta()
    return Ttl("keep_latest" if keeps_latest(request.ttl.strategy) else "delete", duration)


def keeps_latest(strategy: int) -> bool:
    """Whether the latest state stays; unspecified means that nothing does."""
    return strategy == TtlStrategy.TTL_STRATEGY_KEEP_LATEST


def check_copy(request: CopyThreadRequest) -> None:
    """Checks which thread, and to where."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    checks.identifier("target_thread_id", request.target_thread_id, required=False)
    checks.done()


def check_prune(request: PruneThreadsRequest) -> None:
    """Checks which threads, and what is to stay."""
    checks = Checks()
    if checks.require("thread_ids", request.thread_ids):
        _check_ids(checks, "thread_ids", request.thread_ids)
    checks.enum("strategy", TtlStrategy, request.strategy)
    checks.done()


def _check_ids(checks: Checks, field: str, thread_ids: Sequence[str]) -> None:
    checks.length(field, thread_ids, 0, _IDS)
    for index, thread_id in enumerate(thread_ids[:_IDS]):
        checks.identifier(f"{field}[{index}]", thread_id)


def wanted(filter: ThreadFilter) -> Filter:
    """Which threads to count."""
    checks = Checks()
    _check_filter(checks, filter)
    checks.done()
    return _wanted(filter)


def _check_filter(checks: Checks, filter: ThreadFilter) -> None:
    _check_ids(checks, "filter.thread_ids", filter.thread_ids)
    checks.enum("filter.status", ThreadStatus, filter.status)
    checks.json("filter.metadata_contains", filter, limit=METADATA_LIMIT, must_be_object=True)
    checks.json("filter.values_contain", filter, must_be_object=True)


def _wanted(filter: ThreadFilter) -> Filter:
    return Filter(
        thread_ids=filter.thread_ids,
        status=filter.status,
        metadata_contains=filter.metadata_contains.text if filter.HasField("metadata_contains") else None,
        values_contain=filter.values_contain.text if filter.HasField("values_contain") else None,
    )


def listed(request: ListThreadsRequest) -> tuple[Filter, Order, PageRequest]:
    """Which threads, in which order, on which page."""
    checks = Checks()
    size, after = checks.page(request, key=datetime)
    _check_filter(checks, request.filter)
    checks.enum("sort_by", ThreadSortBy, request.sort_by)
    checks.enum("order", SortOrder, request.order)
    checks.enum("view", ThreadView, request.view)
    checks.done()
    order = Order(
        column=_COLUMNS[request.sort_by],
        id_column="t.thread_id",
        descending=request.order != SortOrder.SORT_ORDER_ASCENDING,
    )
    return _wanted(request.filter), order, PageRequest(size=size, after=after, bound_to=binding(request))
