"""What the requests of CronsService may say. No IO."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1.crons_pb2 import (
    CountCronsRequest,
    CreateCronRequest,
    CronFilter,
    CronSortBy,
    ListCronsRequest,
    UpdateCronRequest,
)
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1 import sorting_pb2
from runwire.core.checks import METADATA_LIMIT, Checks
from runwire.core.errors import InvalidRequest
from runwire.core.ids import new_uuid
from runwire.core.paging import Place, binding
from runwire.dispatch import run_requests
from runwire.dispatch.schedules import InvalidSchedule, Schedule, Timing, check_schedule, is_time_zone

SCHEDULE_BYTES = 256

_DEFAULT_TIME_ZONE = "UTC"
_COLUMNS = {
    CronSortBy.CRON_SORT_BY_UNSPECIFIED: "created_at",
    CronSortBy.CRON_SORT_BY_CREATE_TIME: "created_at",
    CronSortBy.CRON_SORT_BY_UPDATE_TIME: "updated_at",
    CronSortBy.CRON_SORT_BY_NEXT_TICK_TIME: "next_tick_at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CronOrder:
    """A CreateCronRequest that has passed its checks."""

    cron_id: str
    timing: Timing
    run: CreateRunRequest
    metadata: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CronChange:
    """An UpdateCronRequest that has passed its checks. None: stays as it is."""

    cron_id: str
    schedule: str | None
    time_zone: str | None
    run: CreateRunRequest | None
    enabled: bool | None
    end: datetime | None
    clear_end: bool
    metadata: str | None

    def timing(self, before: Timing) -> Timing:
        """The timing after the change."""
        schedule = Schedule(
            before.schedule.text if self.schedule is None else self.schedule,
            before.schedule.time_zone if self.time_zone is None else self.time_zone,
        )
        enabled = before.enabled if self.enabled is None else self.enabled
        return Timing(schedule, enabled, None if self.clear_end else self.end or before.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class CronPage:
    """Which page of which list; `column` is what it is sorted by. `key` "" in a place: the row has none."""

    where: CronFilter
    column: str
    ascending: bool
    size: int
    after: Place | None
    bound_to: str


def check_create(request: CreateCronRequest, *, private_webhooks: bool = False) -> CronOrder:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    checks.identifier("cron_id", request.cron_id, required=False)
    if checks.require("schedule", request.schedule):
        _check_schedule(checks, request.schedule)
    _check_time_zone(checks, request.time_zone)
    if checks.require("run", request.HasField("run")):
        _check_run(checks, request.run, private_webhooks)
    end = _check_end(checks, request)
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    checks.done()
    schedule = Schedule(request.schedule, request.time_zone or _DEFAULT_TIME_ZONE)
    return CronOrder(
        cron_id=request.cron_id or str(new_uuid()),
        timing=Timing(schedule, request.enabled if request.HasField("enabled") else True, end),
        run=request.run,
        metadata=request.metadata.text or "{}",
        digest=hashlib.sha256(request.SerializeToString(deterministic=True)).digest(),
    )


def check_update(request: UpdateCronRequest, *, private_webhooks: bool = False) -> CronChange:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    checks.identifier("cron_id", request.cron_id)
    if request.HasField("schedule"):
        _check_schedule(checks, request.schedule)
    _check_time_zone(checks, request.time_zone)
    if request.HasField("run"):
        _check_run(checks, request.run, private_webhooks)
    end = _check_end(checks, request)
    if request.clear_end_time and request.HasField("end_time"):
        checks.add("clear_end_time", "FIELDS_CONFLICT", "excludes end_time")
    checks.json("metadata", request, limit=METADATA_LIMIT, must_be_object=True)
    checks.done()
    return CronChange(
        cron_id=request.cron_id,
        schedule=request.schedule if request.HasField("schedule") else None,
        time_zone=(request.time_zone or _DEFAULT_TIME_ZONE) if request.HasField("time_zone") else None,
        run=request.run if request.HasField("run") else None,
        enabled=request.enabled if request.HasField("enabled") else None,
        end=end,
        clear_end=request.clear_end_time,
        metadata=request.metadata.text if request.HasField("metadata") else None,
    )


def check_id(cron_id: str) -> str:
    """Raises InvalidRequest."""
    checks = Checks()
    checks.identifier("cron_id", cron_id)
    checks.done()
    return cron_id


def check_list(request: ListCronsRequest) -> CronPage:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    _check_filter(checks, request.filter)
    checks.enum("sort_by", CronSortBy, request.sort_by)
    checks.enum("order", sorting_pb2.SortOrder, request.order)
    size, after = checks.page(request)
    column = _COLUMNS.get(request.sort_by, "")
    if after is not None and not isinstance(after.key, datetime) and (after.key, column) != ("", "next_tick_at"):
        checks.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
    checks.done()
    return CronPage(
        where=request.filter,
        column=column,
        ascending=request.order == sorting_pb2.SORT_ORDER_ASCENDING,
        size=size,
        after=after,
        bound_to=binding(request),
    )


def check_count(request: CountCronsRequest) -> CronFilter:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    _check_filter(checks, request.filter)
    checks.done()
    return request.filter


def _check_filter(checks: Checks, where: CronFilter) -> None:
    checks.identifier("filter.assistant_id", where.assistant_id, required=False)
    checks.identifier("filter.thread_id", where.thread_id, required=False)
    checks.json("filter.metadata_contains", where, limit=METADATA_LIMIT, must_be_object=True)


def _check_schedule(checks: Checks, schedule: str) -> None:
    if len(schedule.encode()) > SCHEDULE_BYTES:
        checks.add("schedule", "FIELD_OUT_OF_RANGE", f"must be at most {SCHEDULE_BYTES} bytes")
        return
    try:
        check_schedule(schedule)
    except InvalidSchedule as error:
        checks.add("schedule", "FIELD_INVALID", str(error))


def _check_time_zone(checks: Checks, name: str) -> None:
    if name and not is_time_zone(name):
        checks.add("time_zone", "FIELD_INVALID", "must be the name of an IANA time zone such as Europe/Berlin")


def _check_run(checks: Checks, run: CreateRunRequest, private_webhooks: bool) -> None:
    if run.run_id:
        checks.add("run.run_id", "FIELD_INVALID", "must be empty: each tick has a run of its own")
    bare = CreateRunRequest()
    bare.CopyFrom(run)
    bare.ClearField("run_id")
    try:
        run_requests.check(bare, "run", private_webhooks=private_webhooks)
    except InvalidRequest as refusal:
        checks.violations.extend(refusal.violations)


def _check_end(checks: Checks, request: CreateCronRequest | UpdateCronRequest) -> datetime | None:
    if not request.HasField("end_time"):
        return None
    end: Timestamp = request.end_time
    try:
        return end.ToDatetime(UTC)
    except (ValueError, OverflowError):
        checks.add("end_time", "FIELD_OUT_OF_RANGE", "must be of the years 1 to 9999")
        return None
