"""CronsService."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1.crons_pb2 import (
    CountCronsRequest,
    CreateCronRequest,
    Cron,
    CronFilter,
    DeleteCronRequest,
    GetCronRequest,
    ListCronsRequest,
    UpdateCronRequest,
)
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from tests.contract.scenarios.marked import Marked
from tests.contract.scenarios.scenario import (
    ABSENT,
    YEARLY,
    Errors,
    Listings,
    Provoked,
    Successes,
    ask,
    refused,
    unique,
    wrong,
)
from tests.harness.platform import Platform
from tests.harness.refused import refused as refusal

_RUN = CreateRunRequest(assistant_id="echo")
_OF_NOBODY = CreateRunRequest(assistant_id=ABSENT)
_ON_NO_THREAD = CreateRunRequest(assistant_id="echo", thread_id=ABSENT)


async def _made(platform: Platform, **fields: Any) -> Cron:
    """A cron that does not tick."""
    created = await ask(platform, CreateCronRequest(**{"schedule": YEARLY, "run": _RUN, **fields}))
    cron: Cron = created.cron
    return cron


_MARKED = Marked(
    listing=ListCronsRequest,
    counting=CountCronsRequest,
    where=CronFilter,
    rows="crons",
    row_id="cron_id",
    make=_made,
)

# Successes


async def _creates(platform: Platform) -> Any:
    cron_id = unique()
    asked = CreateCronRequest(cron_id=cron_id, schedule=YEARLY, time_zone="Europe/Berlin", run=_RUN)
    response = await ask(platform, asked)
    cron = response.cron
    assert (cron.cron_id, cron.schedule, cron.time_zone, cron.run) == (cron_id, YEARLY, "Europe/Berlin", _RUN)
    assert (cron.enabled, cron.missed_ticks) == (True, 0)
    # Midnight in Berlin.
    assert (cron.next_tick_time.ToDatetime().month, cron.next_tick_time.ToDatetime().hour) == (12, 23)
    return response


async def _gets(platform: Platform) -> Any:
    made = await _made(platform)
    response = await ask(platform, GetCronRequest(cron_id=made.cron_id))
    assert response.cron == made
    return response


async def _updates(platform: Platform) -> Any:
    made = await _made(platform)
    response = await ask(platform, UpdateCronRequest(cron_id=made.cron_id, enabled=False))
    assert (response.cron.enabled, response.cron.schedule) == (False, YEARLY)
    assert not response.cron.HasField("next_tick_time")
    return response


async def _deletes(platform: Platform) -> Any:
    made = await _made(platform)
    response = await ask(platform, DeleteCronRequest(cron_id=made.cron_id))
    assert (await refusal(ask(platform, GetCronRequest(cron_id=made.cron_id)))).reason == "CRON_NOT_FOUND"
    return response


SUCCESSES: Successes = {
    "CreateCron": _creates,
    "GetCron": _gets,
    "ListCrons": _MARKED.lists,
    "CountCrons": _MARKED.counts,
    "UpdateCron": _updates,
    "DeleteCron": _deletes,
}

# Errors


async def _id_taken(platform: Platform) -> Provoked:
    made = await _made(platform, cron_id=unique())
    another = CreateCronRequest(cron_id=made.cron_id, schedule="0 0 2 1 *", run=_RUN)
    return refused(another, id=made.cron_id)


async def _update_to_nobody(platform: Platform) -> Provoked:
    made = await _made(platform)
    return refused(UpdateCronRequest(cron_id=made.cron_id, run=_OF_NOBODY), assistant_id=ABSENT)


async def _update_to_no_thread(platform: Platform) -> Provoked:
    made = await _made(platform)
    return refused(UpdateCronRequest(cron_id=made.cron_id, run=_ON_NO_THREAD), thread_id=ABSENT)


ERRORS: Errors = {
    ("CreateCron", "FIELD_INVALID"): wrong(
        CreateCronRequest(schedule="* *", time_zone="Mars/Olympus", run=_RUN), "schedule", "time_zone"
    ),
    ("CreateCron", "ASSISTANT_NOT_FOUND"): refused(
        CreateCronRequest(schedule=YEARLY, run=_OF_NOBODY), assistant_id=ABSENT
    ),
    ("CreateCron", "THREAD_NOT_FOUND"): refused(
        CreateCronRequest(schedule=YEARLY, run=_ON_NO_THREAD), thread_id=ABSENT
    ),
    ("CreateCron", "ID_REUSED"): _id_taken,
    ("GetCron", "FIELD_REQUIRED"): wrong(GetCronRequest(), "cron_id"),
    ("GetCron", "CRON_NOT_FOUND"): refused(GetCronRequest(cron_id=ABSENT), cron_id=ABSENT),
    ("ListCrons", "UNKNOWN_ENUM_VALUE"): wrong(
        ListCronsRequest(sort_by=9),  # type: ignore[arg-type]
        "sort_by",
    ),
    ("CountCrons", "FIELD_INVALID"): wrong(CountCronsRequest(filter=CronFilter(thread_id="a b")), "filter.thread_id"),
    ("UpdateCron", "FIELDS_CONFLICT"): wrong(
        UpdateCronRequest(cron_id="c", end_time=Timestamp(seconds=1), clear_end_time=True), "clear_end_time"
    ),
    ("UpdateCron", "FIELD_REQUIRED"): wrong(UpdateCronRequest(), "cron_id"),
    ("UpdateCron", "CRON_NOT_FOUND"): refused(UpdateCronRequest(cron_id=ABSENT), cron_id=ABSENT),
    ("UpdateCron", "ASSISTANT_NOT_FOUND"): _update_to_nobody,
    ("UpdateCron", "THREAD_NOT_FOUND"): _update_to_no_thread,
    ("DeleteCron", "FIELD_REQUIRED"): wrong(DeleteCronRequest(), "cron_id"),
    ("DeleteCron", "CRON_NOT_FOUND"): refused(DeleteCronRequest(cron_id=ABSENT), cron_id=ABSENT),
}

# Pages


LISTINGS: Listings = {"ListCrons": _MARKED.many}
