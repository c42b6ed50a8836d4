"""CronsService, through its stub."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.crons_pb2 import (
    CountCronsRequest,
    CreateCronRequest,
    Cron,
    CronFilter,
    CronSortBy,
    DeleteCronRequest,
    GetCronRequest,
    ListCronsRequest,
    UpdateCronRequest,
)
from runwire.api.type.v1 import sorting_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import paging
from runwire.core.postgres import Pool
from runwire.dispatch import cron_ticks, crons
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, make_assistant, make_thread

_NO_VALUE: Any = 99
ASCENDING = sorting_pb2.SORT_ORDER_ASCENDING
CREATE_THREAD = runs_pb2.IF_THREAD_MISSING_CREATE
STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name}": text
    for module in (crons, cron_ticks)
    for name, text in module._SQL.items()
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_fits_the_schema(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection:
        await connection.prepare(STATEMENTS[name])


def _request(**fields: Any) -> CreateCronRequest:
    return CreateCronRequest(**{"schedule": "0 9 * * *", "run": a_run(), **fields})


async def _create(dispatch: Dispatch, **fields: Any) -> Cron:
    cron: Cron = (await dispatch.crons.CreateCron(_request(**fields))).cron
    return cron


async def _update(dispatch: Dispatch, cron_id: str, **fields: Any) -> Cron:
    cron: Cron = (await dispatch.crons.UpdateCron(UpdateCronRequest(cron_id=cron_id, **fields))).cron
    return cron


async def _get(dispatch: Dispatch, cron_id: str) -> Cron:
    cron: Cron = (await dispatch.crons.GetCron(GetCronRequest(cron_id=cron_id))).cron
    return cron


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _next_nine(zone_hours: int = 0) -> datetime:
    now = datetime.now(UTC)
    nine = now.replace(hour=9 - zone_hours, minute=0, second=0, microsecond=0)
    return nine if nine > now else nine + timedelta(days=1)


async def test_a_cron_is_stored_as_it_was_asked_for(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch, time_zone="Asia/Tokyo", metadata=Json(text='{"a": 1}'))
    assert (cron.schedule, cron.time_zone, cron.enabled) == ("0 9 * * *", "Asia/Tokyo", True)
    assert cron.run == a_run()
    assert cron.metadata.text == '{"a": 1}'
    assert cron.next_tick_time.ToDatetime(UTC) == _next_nine(zone_hours=9)
    assert cron.create_time == cron.update_time
    assert not cron.HasField("end_time")
    assert cron.missed_ticks == 0
    assert await _get(dispatch, cron.cron_id) == cron


async def test_without_a_time_zone_it_is_utc(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch)
    assert cron.time_zone == "UTC"
    assert cron.next_tick_time.ToDatetime(UTC) == _next_nine()


async def test_the_same_call_again_is_the_same_cron(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    created = await _create(dispatch, cron_id="daily")
    changed = await _update(dispatch, "daily", enabled=False)
    assert created.cron_id == "daily"
    assert await _create(dispatch, cron_id="daily") == changed


async def test_many_equal_calls_at_once_create_one_cron(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    created = await asyncio.gather(*(_create(dispatch, cron_id="daily") for _ in range(8)))
    assert all(cron == created[0] for cron in created)


async def test_an_unknown_assistant_is_not_found(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    error = await refused(dispatch.crons.CreateCron(_request()))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND")
    assert error.metadata == {"assistant_id": GRAPH}
    assert await pool.fetchval("SELECT count(*) FROM crons") == 0


async def test_a_missing_thread_can_be_created_with_the_cron(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await _create(dispatch, run=a_run(thread_id="fresh", if_thread_missing=CREATE_THREAD))
    assert await pool.fetchval("SELECT count(*) FROM threads WHERE thread_id = 'fresh'") == 1


async def test_everything_wrong_is_said_at_once_and_nothing_is_written(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    request = _request(
        cron_id="a b",
        schedule="0 9 * *",
        time_zone="Mars",
        run=a_run(run_id="x", assistant_id="", input=Json(text="{")),
        end_time=Timestamp(seconds=10**12),
        metadata=Json(text="[]"),
    )
    error = await refused(dispatch.crons.CreateCron(request))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.violations == {
        "cron_id": "FIELD_INVALID",
        "schedule": "FIELD_INVALID",
        "time_zone": "FIELD_INVALID",
        "run.run_id": "FIELD_INVALID",
        "run.assistant_id": "FIELD_REQUIRED",
        "run.input": "INVALID_JSON",
        "end_time": "FIELD_OUT_OF_RANGE",
        "metadata": "INVALID_JSON",
    }
    assert await pool.fetchval("SELECT count(*) FROM crons") == 0


async def test_a_schedule_and_a_run_are_required(dispatch: Dispatch, refused: Any) -> None:
    error = await refused(dispatch.crons.CreateCron(CreateCronRequest()))
    assert error.violations == {"schedule": "FIELD_REQUIRED", "run": "FIELD_REQUIRED"}


async def test_a_long_schedule_is_refused(dispatch: Dispatch, refused: Any) -> None:
    error = await refused(dispatch.crons.CreateCron(_request(schedule="0" + ",0" * 128 + " * * * *")))
    assert error.violations == {"schedule": "FIELD_OUT_OF_RANGE"}


async def test_a_disabled_or_ended_cron_has_no_next_tick(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    past = _stamp(datetime(2020, 1, 1, tzinfo=UTC))
    assert not (await _create(dispatch, enabled=False)).HasField("next_tick_time")
    ended = await _create(dispatch, end_time=past)
    assert (ended.end_time, ended.HasField("next_tick_time")) == (past, False)


async def test_a_cron_of_another_tenant_is_not_found(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    await _create(dispatch, cron_id="daily")
    await pool.execute("INSERT INTO assistants (tenant, assistant_id, version) VALUES ('other', 'a', 1)")
    await pool.execute("UPDATE crons SET tenant = 'other', assistant_id = 'a'")
    for call in (
        dispatch.crons.GetCron(GetCronRequest(cron_id="daily")),
        dispatch.crons.UpdateCron(UpdateCronRequest(cron_id="daily", enabled=False)),
        dispatch.crons.DeleteCron(DeleteCronRequest(cron_id="daily")),
    ):
        assert (await refused(call)).reason == "CRON_NOT_FOUND"
    assert not (await dispatch.crons.ListCrons(ListCronsRequest())).crons
    assert (await dispatch.crons.CountCrons(CountCronsRequest())).count == 0
    assert (await _create(dispatch, cron_id="daily")).cron_id == "daily"


async def test_an_unset_field_stays_as_it_is(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    end = _stamp(datetime.now(UTC) + timedelta(days=9))
    created = await _create(dispatch, metadata=Json(text='{"a": 1}'), end_time=end)
    updated = await _update(dispatch, created.cron_id)
    assert updated.update_time.ToDatetime() > created.update_time.ToDatetime()
    updated.update_time.CopyFrom(created.update_time)
    assert updated == created


async def test_metadata_is_merged_key_by_key(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch, metadata=Json(text='{"a":1,"b":{"x":1}}'))
    updated = await _update(dispatch, cron.cron_id, metadata=Json(text='{"b":{"y":2},"c":3}'))
    assert updated.metadata.text == '{"a": 1, "b": {"y": 2}, "c": 3}'


async def test_a_new_schedule_or_time_zone_sets_the_next_tick_anew(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch, schedule="30 8 * * *")
    updated = await _update(dispatch, cron.cron_id, schedule="0 9 * * *")
    assert updated.next_tick_time.ToDatetime(UTC) == _next_nine()
    updated = await _update(dispatch, cron.cron_id, time_zone="Asia/Tokyo")
    assert (updated.schedule, updated.time_zone) == ("0 9 * * *", "Asia/Tokyo")
    assert updated.next_tick_time.ToDatetime(UTC) == _next_nine(zone_hours=9)
    assert (await _update(dispatch, cron.cron_id, time_zone="")).time_zone == "UTC"


async def test_a_cron_is_disabled_and_enabled(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch)
    disabled = await _update(dispatch, cron.cron_id, enabled=False)
    assert (disabled.enabled, disabled.HasField("next_tick_time")) == (False, False)
    enabled = await _update(dispatch, cron.cron_id, enabled=True)
    assert (enabled.enabled, enabled.next_tick_time) == (True, cron.next_tick_time)


async def test_an_end_time_is_set_and_cleared(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch)
    past = _stamp(datetime(2020, 1, 1, tzinfo=UTC))
    ended = await _update(dispatch, cron.cron_id, end_time=past)
    assert (ended.end_time, ended.HasField("next_tick_time")) == (past, False)
    cleared = await _update(dispatch, cron.cron_id, clear_end_time=True)
    assert not cleared.HasField("end_time")
    assert cleared.next_tick_time == cron.next_tick_time
    both = UpdateCronRequest(cron_id=cron.cron_id, end_time=past, clear_end_time=True)
    assert (await refused(dispatch.crons.UpdateCron(both))).violations == {"clear_end_time": "FIELDS_CONFLICT"}


async def test_the_stored_request_is_replaced_as_a_whole(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_assistant(pool, "helper")
    await make_thread(pool, "t")
    cron = await _create(dispatch, run=a_run(metadata=Json(text='{"a":1}')))
    run = a_run(assistant_id="helper", thread_id="t")
    assert (await _update(dispatch, cron.cron_id, run=run)).run == run
    row = await pool.fetchrow("SELECT assistant_id, thread_id FROM crons")
    assert (row["assistant_id"], row["thread_id"]) == ("helper", "t")
    assert (await _update(dispatch, cron.cron_id, run=a_run())).run == a_run()
    assert await pool.fetchval("SELECT thread_id FROM crons") is None


async def test_a_new_request_must_name_what_is_there(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch)
    unknown = UpdateCronRequest(cron_id=cron.cron_id, run=a_run(assistant_id="nobody"), enabled=False)
    assert (await refused(dispatch.crons.UpdateCron(unknown))).reason == "ASSISTANT_NOT_FOUND"
    nowhere = UpdateCronRequest(cron_id=cron.cron_id, run=a_run(thread_id="nowhere"), enabled=False)
    assert (await refused(dispatch.crons.UpdateCron(nowhere))).reason == "THREAD_NOT_FOUND"
    no_cron = UpdateCronRequest(cron_id="nope", run=a_run(thread_id="fresh", if_thread_missing=CREATE_THREAD))
    assert (await refused(dispatch.crons.UpdateCron(no_cron))).reason == "CRON_NOT_FOUND"
    assert await pool.fetchval("SELECT count(*) FROM threads") == 0
    assert await _get(dispatch, cron.cron_id) == cron


async def test_everything_wrong_with_a_change_is_said_at_once(dispatch: Dispatch, refused: Any) -> None:
    request = UpdateCronRequest(
        cron_id="a b",
        schedule="",
        time_zone="Mars",
        run=a_run(run_id="x", thread_id="a b"),
        metadata=Json(text="1"),
    )
    assert (await refused(dispatch.crons.UpdateCron(request))).violations == {
        "cron_id": "FIELD_INVALID",
        "schedule": "FIELD_INVALID",
        "time_zone": "FIELD_INVALID",
        "run.run_id": "FIELD_INVALID",
        "run.thread_id": "FIELD_INVALID",
        "metadata": "INVALID_JSON",
    }


async def test_a_deleted_cron_is_gone(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    cron = await _create(dispatch)
    await dispatch.crons.DeleteCron(DeleteCronRequest(cron_id=cron.cron_id))
    error = await refused(dispatch.crons.GetCron(GetCronRequest(cron_id=cron.cron_id)))
    assert error.reason == "CRON_NOT_FOUND"


@pytest.mark.parametrize("table", ["threads", "assistants"])
async def test_a_cron_goes_with_its_thread_and_its_assistant(dispatch: Dispatch, pool: Pool, table: str) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _create(dispatch, run=a_run(thread_id="t"))
    await pool.execute(f"DELETE FROM {table}")
    assert (await dispatch.crons.CountCrons(CountCronsRequest())).count == 0


async def _pages(dispatch: Dispatch, **fields: Any) -> list[str]:
    listed: list[str] = []
    request = ListCronsRequest(page_size=3, **fields)
    while True:
        page = await dispatch.crons.ListCrons(request)
        listed += [cron.cron_id for cron in page.crons]
        if not page.next_page_token:
            return listed
        assert len(page.crons) == 3
        request.page_token = page.next_page_token


@pytest.mark.parametrize(
    ("sort_by", "column"),
    [
        (CronSortBy.CRON_SORT_BY_UNSPECIFIED, "created_at"),
        (CronSortBy.CRON_SORT_BY_CREATE_TIME, "created_at"),
        (CronSortBy.CRON_SORT_BY_UPDATE_TIME, "updated_at"),
        (CronSortBy.CRON_SORT_BY_NEXT_TICK_TIME, "next_tick_at"),
    ],
)
async def test_pages_hold_every_cron_once_in_order(dispatch: Dispatch, pool: Pool, sort_by: Any, column: str) -> None:
    await make_assistant(pool)
    for number in range(8):
        await _create(dispatch, cron_id=f"c{number}")
    # Equal times are told apart by id.
    await pool.execute(
        f"UPDATE crons SET {column} = now() + left(translate(cron_id, 'c', ''), 1)::int / 3 * '1 day'::interval"
    )
    ids = [f"c{number}" for number in range(8)]
    assert await _pages(dispatch, sort_by=sort_by) == ids[::-1]
    assert await _pages(dispatch, sort_by=sort_by, order=ASCENDING) == ids


async def test_crons_that_do_not_tick_come_last_in_either_order(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    for number in range(4):
        await _create(dispatch, cron_id=f"on{number}", schedule=f"0 0 1 {number + 1} *")
        await _create(dispatch, cron_id=f"off{number}", enabled=False)
    await pool.execute(
        "UPDATE crons SET next_tick_at = now() + right(cron_id, 1)::int * '1 day'::interval WHERE enabled"
    )
    by_tick = CronSortBy.CRON_SORT_BY_NEXT_TICK_TIME
    assert await _pages(dispatch, sort_by=by_tick, order=ASCENDING) == [
        *("on0", "on1", "on2", "on3", "off0", "off1", "off2", "off3")
    ]
    assert await _pages(dispatch, sort_by=by_tick) == [*("on3", "on2", "on1", "on0", "off3", "off2", "off1", "off0")]


async def test_filters_add_up(dispatch: Dispatch, pool: Pool) -> None:
    default = await make_assistant(pool)
    await make_assistant(pool, "helper")
    await make_thread(pool, "t")
    await _create(dispatch, cron_id="1", run=a_run(assistant_id="helper", thread_id="t"), metadata=Json(text='{"k":1}'))
    await _create(dispatch, cron_id="2", run=a_run(assistant_id="helper"), metadata=Json(text='{"k":1}'))
    await _create(dispatch, cron_id="3", run=a_run(thread_id="t"), enabled=False)

    async def found(**where: Any) -> str:
        chosen = CronFilter(**where)
        answer = await dispatch.crons.ListCrons(ListCronsRequest(filter=chosen, order=ASCENDING))
        count = (await dispatch.crons.CountCrons(CountCronsRequest(filter=chosen))).count
        assert count == len(answer.crons)
        return "".join(cron.cron_id for cron in answer.crons)

    assert await found() == "123"
    assert await found(assistant_id="helper") == "12"
    assert await found(assistant_id=GRAPH) == await found(assistant_id=default) == "3"
    assert await found(thread_id="t") == "13"
    assert await found(enabled=False) == "3"
    assert await found(enabled=True, metadata_contains=Json(text='{"k":1}'), thread_id="t") == "1"


async def test_a_bad_list_is_refused_with_everything_that_is_wrong(dispatch: Dispatch, refused: Any) -> None:
    where = CronFilter(assistant_id="a b", thread_id="a b", metadata_contains=Json(text="1"))
    request = ListCronsRequest(filter=where, page_size=1001, page_token="x", sort_by=_NO_VALUE, order=_NO_VALUE)
    filter_violations = {
        "filter.assistant_id": "FIELD_INVALID",
        "filter.thread_id": "FIELD_INVALID",
        "filter.metadata_contains": "INVALID_JSON",
    }
    assert (await refused(dispatch.crons.ListCrons(request))).violations == {
        **filter_violations,
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "sort_by": "UNKNOWN_ENUM_VALUE",
        "order": "UNKNOWN_ENUM_VALUE",
    }
    assert (await refused(dispatch.crons.CountCrons(CountCronsRequest(filter=where)))).violations == filter_violations


@pytest.mark.parametrize("key", ["", "x", 7])
async def test_a_forged_page_token_is_refused(dispatch: Dispatch, refused: Any, key: str | int) -> None:
    request = ListCronsRequest()
    request.page_token = paging.encode(paging.Place(key, "c"), paging.binding(request))
    assert (await refused(dispatch.crons.ListCrons(request))).violations == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_page_of_large_crons_fits_into_a_message(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    large = Json(text=f'"{"x" * 1_200_000}"')
    for number in range(5):
        await _create(dispatch, cron_id=f"c{number}", run=a_run(input=large))
    page = await dispatch.crons.ListCrons(ListCronsRequest(order=ASCENDING))
    assert [cron.cron_id for cron in page.crons] == ["c0", "c1"]
    rest = await dispatch.crons.ListCrons(ListCronsRequest(order=ASCENDING, page_token=page.next_page_token))
    assert [cron.cron_id for cron in rest.crons] == ["c2", "c3"]
