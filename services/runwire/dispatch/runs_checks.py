"""What requests about runs that exist, and batches of new ones, may say. No IO."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from runwire.api.dispatch.v1.runs_pb2 import (
    BatchCancelRunsRequest,
    BatchCreateRunsRequest,
    CancelRunRequest,
    CountRunsRequest,
    ListRunsRequest,
    RunFilter,
)
from runwire.api.type.v1 import run_pb2, sorting_pb2
from runwire.core import paging
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.errors import InvalidRequest, Violation
from runwire.dispatch import run_requests
from runwire.dispatch.run_requests import RunOrder

MAX_CREATED = 100
MAX_CANCELLED = 1000

_ACTIONS = {
    run_pb2.CANCEL_ACTION_UNSPECIFIED: "interrupt",
    run_pb2.CANCEL_ACTION_INTERRUPT: "interrupt",
    run_pb2.CANCEL_ACTION_ROLLBACK: "rollback",
}
_ACTIVE = {
    run_pb2.RUN_STATUS_UNSPECIFIED: None,
    run_pb2.RUN_STATUS_PENDING: "pending",
    run_pb2.RUN_STATUS_RUNNING: "running",
}


Moment: TypeAlias = tuple[datetime, UUID]
"""A place in a list by time and UUID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """A BatchCancelRunsRequest that has passed its checks: ids, or else a thread, a status or both."""

    run_ids: Sequence[UUID]
    thread_id: str | None
    status: str | None
    action: str


def check_id(run_id: str) -> UUID:
    """The id. Raises InvalidRequest."""
    return _run_id(run_id, Checks())


def check_cancel(request: CancelRunRequest) -> tuple[UUID, str]:
    """Which run, and the action in the word of the table."""
    checks = Checks()
    checks.enum("action", run_pb2.CancelAction, request.action)
    return _run_id(request.run_id, checks), _ACTIONS[request.action]


def check_list(request: ListRunsRequest) -> tuple[int, Moment | None]:
    """The page's size and the place that it begins after."""
    checks = Checks()
    _check_filter(checks, request.filter)
    checks.enum("order", sorting_pb2.SortOrder, request.order)
    size, place = checks.page(request)
    after = moment_and_id(checks, place) if place is not None else None
    checks.done()
    return size, after


def check_count(request: CountRunsRequest) -> RunFilter:
    """Which runs to count."""
    checks = Checks()
    _check_filter(checks, request.filter)
    checks.done()
    return request.filter


def check_batch_create(request: BatchCreateRunsRequest, *, private_webhooks: bool = False) -> list[RunOrder]:
    """The orders. Raises InvalidRequest with everything that is wrong in all of them."""
    checks = Checks()
    checks.length("requests", request.requests, 1, MAX_CREATED)
    checks.done()
    orders, violations = [], list[Violation]()
    for number, each in enumerate(request.requests):
        try:
            orders.append(run_requests.check(each, f"requests[{number}]", private_webhooks=private_webhooks))
        except InvalidRequest as refusal:
            violations += refusal.violations
    violations += _repeated_ids(request)
    if violations:
        raise InvalidRequest(violations)
    return orders


def check_batch_cancel(request: BatchCancelRunsRequest) -> CancelOrder:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    checks.length("run_ids", request.run_ids, 0, MAX_CANCELLED)
    ids = [checks.uuid(f"run_ids[{n}]", run_id) for n, run_id in enumerate(request.run_ids[:MAX_CANCELLED])]
    checks.identifier("thread_id", request.thread_id, required=False)
    checks.enum("status", run_pb2.RunStatus, request.status)
    if request.status in run_pb2.RunStatus.values() and request.status not in _ACTIVE:
        checks.add("status", "FIELD_INVALID", "must be PENDING or RUNNING: other runs have ended")
    checks.enum("action", run_pb2.CancelAction, request.action)
    _check_choice(checks, request)
    checks.done()
    return CancelOrder(
        run_ids=[run_id for run_id in ids if run_id is not None],
        thread_id=request.thread_id or None,
        status=_ACTIVE[request.status],
        action=_ACTIONS[request.action],
    )


def moment_and_id(checks: Checks, place: paging.Place) -> Moment | None:
    """The place in a list by time and UUID; a token is readable, so what is in it may be anybody's."""
    try:
        if isinstance(place.key, datetime) and place.key.tzinfo is not None:
            return place.key.astimezone(UTC), UUID(place.row_id)
    except (ValueError, OverflowError):
        pass
    checks.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
    return None


def _run_id(text: str, checks: Checks) -> UUID:
    run_id = checks.uuid("run_id", text)
    checks.done()
    assert run_id is not None
    return run_id


def _check_filter(checks: Checks, where: RunFilter) -> None:
    checks.identifier("filter.thread_id", where.thread_id, required=False)
    checks.identifier("filter.assistant_id", where.assistant_id, required=False)
    checks.json("filter.metadata_contains", where, limit=METADATA_LIMIT, must_be_object=True)
    for number, status in enumerate(where.statuses):
        checks.enum(f"filter.statuses[{number}]", run_pb2.RunStatus, status)


def _check_choice(checks: Checks, request: BatchCancelRunsRequest) -> None:
    if request.run_ids:
        for field in ("thread_id", "status"):
            if getattr(request, field):
                checks.add(field, "FIELDS_CONFLICT", "excludes run_ids")
    elif not request.thread_id and not request.status:
        checks.add("run_ids", "FIELD_REQUIRED", "or thread_id or status is required")


def _repeated_ids(request: BatchCreateRunsRequest) -> list[Violation]:
    found, seen = [], set[str]()
    for number, each in enumerate(request.requests):
        run_id = each.run_id.lower()
        if run_id and run_id in seen:
            found.append(Violation(f"requests[{number}].run_id", "FIELDS_CONFLICT", "is that of another request"))
        seen.add(run_id)
    return found
