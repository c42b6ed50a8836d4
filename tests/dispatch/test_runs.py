"""GetRun, ListRuns, CountRuns, CancelRun and DeleteRun, through their stubs."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runwire.api.dispatch.v1.runs_pb2 import (
    CancelRunRequest,
    CountRunsRequest,
    DeleteRunRequest,
    GetRunRequest,
    ListRunsRequest,
    RunFilter,
)
from runwire.api.type.v1 import run_pb2, sorting_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import paging
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey, new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch.__main__ import running
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import (
    GRAPH,
    a_run,
    end_run,
    make_assistant,
    make_thread,
    make_worker,
    start_run,
)

ROLLBACK = run_pb2.CANCEL_ACTION_ROLLBACK
_NO_VALUE: Any = 99
INTERRUPT = run_pb2.CANCEL_ACTION_INTERRUPT


async def _create(dispatch: Dispatch, **fields: Any) -> str:
    run_id: str = (await dispatch.runs.CreateRun(a_run(**fields))).run.run_id
    return run_id


async def _cancel(dispatch: Dispatch, run_id: str, action: Any = 0) -> run_pb2.Run:
    run: run_pb2.Run = (await dispatch.runs.CancelRun(CancelRunRequest(run_id=run_id, action=action))).run
    return run


async def test_a_run_is_read_as_it_was_created(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    created = (await dispatch.runs.CreateRun(a_run(metadata=Json(text='{"a":1}')))).run
    assert (await dispatch.runs.GetRun(GetRunRequest(run_id=created.run_id))).run == created


async def test_a_failed_run_says_why(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    await pool.execute(
        "UPDATE runs SET status = 'error', ready = false, finished_at = now(),"
        " error_type = 'ValueError', error_message = 'no'"
    )
    run = (await dispatch.runs.GetRun(GetRunRequest(run_id=run_id))).run
    assert run.status == run_pb2.RUN_STATUS_ERROR
    assert (run.error.type, run.error.message) == ("ValueError", "no")


async def test_a_run_of_another_tenant_is_not_found(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    await pool.execute("UPDATE runs SET tenant = 'other'")
    assert (await refused(dispatch.runs.GetRun(GetRunRequest(run_id=run_id)))).reason == "RUN_NOT_FOUND"
    assert (await refused(dispatch.runs.CancelRun(CancelRunRequest(run_id=run_id)))).reason == "RUN_NOT_FOUND"
    assert (await refused(dispatch.runs.DeleteRun(DeleteRunRequest(run_id=run_id)))).reason == "RUN_NOT_FOUND"
    assert not (await dispatch.runs.ListRuns(ListRunsRequest())).runs
    assert (await dispatch.runs.CountRuns(CountRunsRequest())).count == 0


async def test_a_run_id_that_another_tenant_has_used_is_free(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch, input=Json(text='{"theirs":1}'))
    await pool.execute("UPDATE runs SET tenant = 'other'")
    created = (await dispatch.runs.CreateRun(a_run(run_id=run_id))).run
    assert created.run_id == run_id
    await dispatch.runs.CancelRun(CancelRunRequest(run_id=run_id))
    await dispatch.runs.DeleteRun(DeleteRunRequest(run_id=run_id))
    rows = await pool.fetch("SELECT tenant, run_id, status FROM runs")
    assert [tuple(row) for row in rows] == [("other", UUID(run_id), "pending")]


async def test_bad_ids_and_actions_are_refused_together(dispatch: Dispatch, refused: Any) -> None:
    error = await refused(dispatch.runs.CancelRun(CancelRunRequest(run_id="1", action=_NO_VALUE)))
    assert error.violations == {"action": "UNKNOWN_ENUM_VALUE", "run_id": "FIELD_INVALID"}
    assert (await refused(dispatch.runs.GetRun(GetRunRequest()))).violations == {"run_id": "FIELD_REQUIRED"}


@pytest.mark.parametrize("order", [sorting_pb2.SORT_ORDER_UNSPECIFIED, sorting_pb2.SORT_ORDER_ASCENDING])
@pytest.mark.parametrize("thread_id", ["", "t"])
async def test_pages_hold_every_run_once_in_order(
    dispatch: Dispatch, pool: Pool, order: sorting_pb2.SortOrder, thread_id: str
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _create(dispatch)
    created = [await _create(dispatch, thread_id=thread_id) for _ in range(7)]
    # Equal times are told apart by id.
    await pool.execute("UPDATE runs SET created_at = '2026-01-01' WHERE run_id = ANY($1)", [UUID(i) for i in created])
    listed: list[str] = []
    request = ListRunsRequest(page_size=3, order=order, filter=RunFilter(thread_id=thread_id))
    while True:
        page = await dispatch.runs.ListRuns(request)
        listed += [run.run_id for run in page.runs if run.run_id in created]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert listed == sorted(created, reverse=order != sorting_pb2.SORT_ORDER_ASCENDING)


async def test_filters_add_up(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_assistant(pool, "helper")
    await make_thread(pool, "t")
    wanted = await _create(dispatch, thread_id="t", assistant_id="helper", metadata=Json(text='{"k":{"a":1,"b":2}}'))
    await _create(dispatch, thread_id="t", metadata=Json(text='{"k":{"a":1}}'))
    await _create(dispatch, assistant_id="helper", metadata=Json(text='{"k":{"a":1}}'))
    ended = await _create(dispatch, assistant_id="helper", metadata=Json(text='{"k":{"a":1}}'))
    await end_run(pool, ended)

    async def listed(**where: Any) -> list[str]:
        answer = await dispatch.runs.ListRuns(ListRunsRequest(filter=RunFilter(**where)))
        return [run.run_id for run in answer.runs]

    contains = Json(text='{"k":{"a":1}}')
    assert await listed(thread_id="t", assistant_id="helper", statuses=[1, 2], metadata_contains=contains) == [wanted]
    assert await listed(statuses=[run_pb2.RUN_STATUS_SUCCESS]) == [ended]
    assert len(await listed(statuses=[0])) == 4
    assert len(await listed(assistant_id="helper")) == 3
    assert len(await listed(assistant_id=GRAPH)) == 1


async def test_a_page_of_large_runs_fits_into_a_message(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    large = Json(text=f'{{"x":"{"x" * 60_000}"}}')
    made = [await _create(dispatch, metadata=large) for _ in range(60)]
    request = ListRunsRequest(page_size=60)
    page = await dispatch.runs.ListRuns(request)
    assert len(page.runs) < 60
    assert page.ByteSize() < 3_500_000
    rest = await dispatch.runs.ListRuns(ListRunsRequest(page_size=60, page_token=page.next_page_token))
    assert [run.run_id for run in (*page.runs, *rest.runs)] == made[::-1]


@pytest.mark.parametrize(
    "place", [paging.Place("text", str(new_uuid())), paging.Place(7, "x"), paging.Place("2026-01-01", "x")]
)
async def test_a_forged_page_token_is_refused(dispatch: Dispatch, refused: Any, place: paging.Place) -> None:
    token = paging.encode(place, paging.binding(ListRunsRequest()))
    error = await refused(dispatch.runs.ListRuns(ListRunsRequest(page_token=token)))
    assert error.violations == {"page_token": "INVALID_PAGE_TOKEN"}


async def test_a_bad_list_is_refused_with_everything_wrong(dispatch: Dispatch, refused: Any) -> None:
    where = RunFilter(thread_id="a b", assistant_id="a b", statuses=[_NO_VALUE], metadata_contains=Json(text="[]"))
    request = ListRunsRequest(filter=where, page_size=1001, page_token="?", order=_NO_VALUE)
    assert (await refused(dispatch.runs.ListRuns(request))).violations == {
        "filter.thread_id": "FIELD_INVALID",
        "filter.assistant_id": "FIELD_INVALID",
        "filter.statuses[0]": "UNKNOWN_ENUM_VALUE",
        "filter.metadata_contains": "INVALID_JSON",
        "order": "UNKNOWN_ENUM_VALUE",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }


async def test_a_cancelled_pending_run_has_ended_and_its_followers_look(
    dispatch: Dispatch, pool: Pool, bus: Bus
) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    messages: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.events(RunKey(DEFAULT_TENANT, UUID(run_id))), messages.put_nowait),
    ):
        run = await _cancel(dispatch, run_id)
        assert run.status == run_pb2.RUN_STATUS_CANCELLED
        assert run.HasField("finish_time")
        async with asyncio.timeout(5):
            assert await messages.get() == b""
    stored = (await dispatch.runs.GetRun(GetRunRequest(run_id=run_id))).run
    assert stored.status == run_pb2.RUN_STATUS_CANCELLED
    assert stored.cancel_requested == run_pb2.CANCEL_ACTION_UNSPECIFIED


async def test_a_pending_run_that_is_rolled_back_is_removed(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    assert (await _cancel(dispatch, run_id, ROLLBACK)).status == run_pb2.RUN_STATUS_CANCELLED
    assert (await refused(dispatch.runs.GetRun(GetRunRequest(run_id=run_id)))).reason == "RUN_NOT_FOUND"


async def test_cancelling_an_ended_run_changes_nothing(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    await end_run(pool, run_id)
    assert (await _cancel(dispatch, run_id)).status == run_pb2.RUN_STATUS_SUCCESS


async def test_cancelling_the_head_of_a_queue_makes_the_next_run_ready(
    dispatch: Dispatch, pool: Pool, bus: Bus
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    first, second, third = [await _create(dispatch, thread_id="t") for _ in range(3)]
    waiter = bus.waiter()
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await _cancel(dispatch, first)
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await waiter.aclose()
    rows = await pool.fetch("SELECT run_id, ready FROM runs")
    assert {str(row["run_id"]): row["ready"] for row in rows} == {first: False, second: True, third: False}


async def test_cancelling_in_the_middle_of_a_queue_leaves_the_head(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    first, second, third = [await _create(dispatch, thread_id="t") for _ in range(3)]
    await _cancel(dispatch, second)
    ready = await pool.fetch("SELECT run_id FROM runs WHERE ready")
    assert [str(row["run_id"]) for row in ready] == [first]
    await _cancel(dispatch, first)
    ready = await pool.fetch("SELECT run_id FROM runs WHERE ready")
    assert [str(row["run_id"]) for row in ready] == [third]


async def test_a_running_run_is_asked_to_stop(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    worker_id = await make_worker(pool)
    await start_run(pool, run_id, worker_id)
    messages: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), messages.put_nowait),
    ):
        run = await _cancel(dispatch, run_id)
        assert run.status == run_pb2.RUN_STATUS_RUNNING
        assert run.cancel_requested == INTERRUPT
        async with asyncio.timeout(5):
            assert await messages.get() == f"{run_id} interrupt".encode()
    assert (await bus.begin_attempts([RunKey(DEFAULT_TENANT, UUID(run_id))]))[0][1] == b"interrupt"


async def test_a_rollback_overrides_an_interrupt_and_not_the_other_way_round(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    await start_run(pool, run_id, await make_worker(pool))
    actions = [(await _cancel(dispatch, run_id, a)).cancel_requested for a in (INTERRUPT, ROLLBACK, INTERRUPT)]
    assert actions == [INTERRUPT, ROLLBACK, ROLLBACK]


async def test_twenty_cancels_at_once_agree(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    runs = await asyncio.gather(*(_cancel(dispatch, run_id) for _ in range(20)))
    assert {run.status for run in runs} == {run_pb2.RUN_STATUS_CANCELLED}


async def test_runs_are_counted_by_the_filters_of_a_list(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    await make_assistant(pool, "helper")
    await make_thread(pool, "t")
    await _create(dispatch, thread_id="t", assistant_id="helper", metadata=Json(text='{"a":1}'))
    await _create(dispatch, thread_id="t")
    await end_run(pool, await _create(dispatch, assistant_id="helper"))

    async def counted(**where: Any) -> int:
        count: int = (await dispatch.runs.CountRuns(CountRunsRequest(filter=RunFilter(**where)))).count
        return count

    assert await counted() == 3
    assert await counted(thread_id="t") == 2
    assert await counted(thread_id="t", assistant_id="helper", metadata_contains=Json(text='{"a":1}')) == 1
    assert await counted(statuses=[run_pb2.RUN_STATUS_SUCCESS, run_pb2.RUN_STATUS_ERROR]) == 1
    wrong = CountRunsRequest(filter=RunFilter(thread_id="a b"))
    assert (await refused(dispatch.runs.CountRuns(wrong))).violations == {"filter.thread_id": "FIELD_INVALID"}


async def test_a_finished_run_is_deleted_with_its_events_and_its_thread_stays(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    run_id = await _create(dispatch, thread_id="t")
    await end_run(pool, run_id)
    await pool.execute("INSERT INTO run_events VALUES ($1, 1, 1, 1, 'x')", UUID(run_id))
    await pool.execute("INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('t', '1', '{}')")
    await dispatch.runs.DeleteRun(DeleteRunRequest(run_id=run_id))
    assert (await refused(dispatch.runs.GetRun(GetRunRequest(run_id=run_id)))).reason == "RUN_NOT_FOUND"
    counts = [
        await pool.fetchval(f"SELECT count(*) FROM {table}") for table in ("run_events", "threads", "checkpoints")
    ]
    assert counts == [0, 1, 1]


async def test_an_active_run_is_not_deleted(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    run_id = await _create(dispatch)
    for _ in range(2):
        error = await refused(dispatch.runs.DeleteRun(DeleteRunRequest(run_id=run_id)))
        assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_FINISHED")
        await start_run(pool, run_id, await make_worker(pool))


@pytest.mark.parametrize("service", ["RunsService", "ThreadStateService", "CronsService", "WorkersService"])
async def test_every_service_becomes_healthy(settings: Settings, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=f"runwire.api.dispatch.v1.{service}")
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(request, timeout=10)
        async for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watch.cancel()
