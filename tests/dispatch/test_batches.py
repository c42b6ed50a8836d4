"""BatchCreateRuns and BatchCancelRuns, through their stubs."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import grpc
import pytest

from runwire.api.dispatch.v1.runs_pb2 import (
    IF_THREAD_MISSING_CREATE,
    BatchCancelRunsRequest,
    BatchCreateRunsRequest,
    CreateRunRequest,
    GetRunRequest,
)
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey, new_uuid
from runwire.core.postgres import Pool, connect
from runwire.core.settings import Settings
from runwire.dispatch.hints import Hints
from runwire.dispatch.runs import Runs
from runwire.dispatch.runs_checks import CancelOrder
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, end_run, make_assistant, make_thread, make_worker, start_run
from tests.faults.proxy import Link
from tests.harness.waiting import until

REJECT = run_pb2.MULTITASK_STRATEGY_REJECT
PENDING, RUNNING = run_pb2.RUN_STATUS_PENDING, run_pb2.RUN_STATUS_RUNNING
CANCELLED = run_pb2.RUN_STATUS_CANCELLED
_NO_VALUE: Any = 99


async def _create(dispatch: Dispatch, *requests: CreateRunRequest) -> list[run_pb2.Run]:
    return list((await dispatch.runs.BatchCreateRuns(BatchCreateRunsRequest(requests=requests))).runs)


async def _cancel(dispatch: Dispatch, **which: Any) -> dict[str, run_pb2.Run]:
    answer = await dispatch.runs.BatchCancelRuns(BatchCancelRunsRequest(**which))
    return {run.run_id: run for run in answer.runs}


async def _count(pool: Pool, table: str = "runs") -> int:
    return int(await pool.fetchval(f"SELECT count(*) FROM {table}"))


async def test_runs_are_created_in_the_order_of_the_requests(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await make_assistant(pool, "helper")
    for thread_id in ("b", "a"):
        await make_thread(pool, thread_id)
    requests = [a_run(thread_id=t, assistant_id=a) for t in ("b", "", "a", "b") for a in (GRAPH, "helper")]
    runs = await _create(dispatch, *requests)
    assert [(run.thread_id, run.assistant_id == "helper") for run in runs] == [
        (request.thread_id, request.assistant_id == "helper") for request in requests
    ]
    assert [run for run in runs if run.status != PENDING] == []
    first = [
        await pool.fetchval("SELECT ready FROM runs WHERE run_id = $1", UUID(runs[n].run_id)) for n in (0, 1, 4, 5)
    ]
    assert first == [True, False, True, False]
    waiter = bus.waiter()
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await waiter.aclose()


async def test_a_hundred_runs_are_created_at_once_and_not_one_more(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    assert len(await _create(dispatch, *[a_run()] * 100)) == 100
    for count in (0, 101):
        error = await refused(_create(dispatch, *[a_run()] * count))
        assert error.violations == {"requests": "FIELD_OUT_OF_RANGE"}
    assert await _count(pool) == 100


async def test_everything_wrong_is_said_by_index_and_nothing_is_written(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    run_id = str(new_uuid())
    error = await refused(
        _create(
            dispatch,
            a_run(run_id=run_id),
            a_run(input=Json(text="{")),
            a_run(assistant_id="", thread_id="a b"),
            a_run(run_id=run_id.upper()),
        )
    )
    assert error.violations == {
        "requests[1].input": "INVALID_JSON",
        "requests[2].assistant_id": "FIELD_REQUIRED",
        "requests[2].thread_id": "FIELD_INVALID",
        "requests[3].run_id": "FIELDS_CONFLICT",
    }
    assert await _count(pool) == 0


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"assistant_id": "nobody"}, "ASSISTANT_NOT_FOUND"),
        ({"thread_id": "nowhere"}, "THREAD_NOT_FOUND"),
        ({"thread_id": "t", "multitask_strategy": REJECT}, "THREAD_BUSY"),
    ],
)
async def test_one_refused_run_undoes_all(
    dispatch: Dispatch, pool: Pool, refused: Any, fields: Any, reason: str
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    good = [a_run(), a_run(thread_id="fresh", if_thread_missing=IF_THREAD_MISSING_CREATE), a_run(thread_id="t")]
    error = await refused(_create(dispatch, *good, a_run(**fields)))
    assert (error.reason, error.metadata["index"]) == (reason, "3")
    assert (await _count(pool), await _count(pool, "threads")) == (0, 1)


async def test_a_repeated_batch_is_the_same_runs(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    requests = [a_run(run_id=str(new_uuid()), input=Json(text=str(n))) for n in range(5)]
    first = await _create(dispatch, *requests)
    assert await _create(dispatch, *requests) == first
    await pool.execute("DELETE FROM assistants")
    assert await _create(dispatch, *requests) == first
    error = await refused(_create(dispatch, requests[0], a_run()))
    assert (error.reason, error.metadata["index"]) == ("ASSISTANT_NOT_FOUND", "1")
    changed = a_run(run_id=requests[1].run_id, input=Json(text="9"))
    error = await refused(_create(dispatch, requests[0], changed))
    assert (error.code, error.metadata["index"]) == (grpc.StatusCode.ALREADY_EXISTS, "1")


async def test_a_batch_is_made_of_the_assistants_latest_version(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool, "helper")
    await _create(dispatch, a_run(assistant_id="helper"))
    await make_assistant(pool, "helper", version=2)
    runs = await _create(dispatch, a_run(assistant_id="helper"), a_run(assistant_id="helper"))
    assert [run.assistant_version for run in runs] == [2, 2]


async def test_a_later_run_of_a_batch_may_cancel_an_earlier_one(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    interrupt = a_run(thread_id="t", multitask_strategy=run_pb2.MULTITASK_STRATEGY_INTERRUPT)
    runs = await _create(dispatch, a_run(thread_id="t"), interrupt)
    assert [run.status for run in runs] == [CANCELLED, PENDING]
    assert (await dispatch.runs.GetRun(GetRunRequest(run_id=runs[0].run_id))).run == runs[0]


async def test_batches_of_the_same_threads_at_once_all_succeed(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    names = [f"t{number}" for number in range(10)]
    for name in names:
        await make_thread(pool, name)

    async def batch(number: int) -> None:
        order = names if number % 2 else names[::-1]
        await _create(dispatch, *(a_run(thread_id=name) for name in order))

    await asyncio.gather(*(batch(number) for number in range(10)))
    assert await _count(pool) == 100
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE ready") == 10


async def test_listed_runs_are_cancelled_and_others_are_left_out_of_the_answer(
    dispatch: Dispatch, pool: Pool, bus: Bus
) -> None:
    await make_assistant(pool)
    pending, running, ended, other = [run.run_id for run in await _create(dispatch, *[a_run()] * 4)]
    worker_id = await make_worker(pool)
    await start_run(pool, running, worker_id)
    await end_run(pool, ended)
    told: asyncio.Queue[bytes | None] = asyncio.Queue()
    looked: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), told.put_nowait),
        subscriptions.listen(bus.keys.events(RunKey(DEFAULT_TENANT, UUID(pending))), looked.put_nowait),
    ):
        runs = await _cancel(dispatch, run_ids=[pending, running, ended, str(new_uuid())])
        async with asyncio.timeout(5):
            assert await told.get() == f"{running} interrupt".encode()
            assert await looked.get() == b""
    assert {run_id: run.status for run_id, run in runs.items()} == {pending: CANCELLED, running: RUNNING}
    assert runs[running].cancel_requested == run_pb2.CANCEL_ACTION_INTERRUPT
    left = (await dispatch.runs.GetRun(GetRunRequest(run_id=other))).run
    assert left.status == PENDING


async def test_a_threads_runs_are_cancelled_together(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    for thread_id in ("t", "u"):
        await make_thread(pool, thread_id)
    runs = await _create(dispatch, *[a_run(thread_id="t")] * 5, a_run(thread_id="u"))
    await start_run(pool, runs[0].run_id, await make_worker(pool))
    cancelled = await _cancel(dispatch, thread_id="t")
    assert cancelled.keys() == {run.run_id for run in runs[:5]}
    assert cancelled[runs[0].run_id].status == RUNNING
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE status = 'cancelled'") == 4
    assert (await _cancel(dispatch, thread_id="t")).keys() == {runs[0].run_id}


@pytest.mark.parametrize(("status", "cancelled"), [(PENDING, {1, 2, 3}), (RUNNING, {0})])
async def test_runs_are_cancelled_by_status(dispatch: Dispatch, pool: Pool, status: Any, cancelled: set[int]) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    runs = await _create(dispatch, *[a_run(thread_id="t")] * 3, a_run())
    await start_run(pool, runs[0].run_id, await make_worker(pool))
    answer = await _cancel(dispatch, status=status)
    assert answer.keys() == {runs[number].run_id for number in cancelled}


async def test_a_cancel_that_arrives_late_ends_no_run_that_came_since(
    dispatch: Dispatch, settings: Settings, pool: Pool, bus: Bus
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    address = urlsplit(settings.database_uri)
    link = await Link("postgres<dispatch", address.hostname or "", address.port or 0).open()
    far = settings.model_copy(update={"database_uri": link.uri(settings.database_uri)})
    order = CancelOrder(run_ids=[], thread_id="t", status=None, action="interrupt")
    async with connect(far, "far", size=1) as far_pool, Hints(bus) as hints:
        late = Runs(far_pool, hints)
        # Prepared, so that it goes out with its arguments.
        assert await late.cancel_all(DEFAULT_TENANT, order) == []
        await _create(dispatch, a_run(thread_id="t"))
        # Nothing gets through for now, and the wish to cancel the statement never.
        link.weather.hold = link.weather.refuse = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await late.cancel_all(DEFAULT_TENANT, order)
        assert len(await _cancel(dispatch, thread_id="t")) == 1
        [since] = await _create(dispatch, a_run(thread_id="t"))
        [pair] = link.pairs

        async def is_given_up() -> bool:
            return bool(pair.far.waiting) and pair.far.waiting[-1][1] is None

        await until(is_given_up)
        link.hold(False)

        async def has_arrived() -> bool:
            return not await pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runwire-far'"
            )

        await until(has_arrived)
    await link.close()
    assert (await dispatch.runs.GetRun(GetRunRequest(run_id=since.run_id))).run.status == PENDING


async def test_many_runs_are_rolled_back(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _create(dispatch, *[a_run(thread_id="t")] * 5)
    answer = await _cancel(dispatch, thread_id="t", action=run_pb2.CANCEL_ACTION_ROLLBACK)
    assert {run.status for run in answer.values()} == {CANCELLED}
    assert await _count(pool) == 0


async def test_a_call_cancels_a_thousand_at_most_and_those_that_were_asked_before_come_last(
    dispatch: Dispatch, pool: Pool
) -> None:
    await make_assistant(pool)
    worker_id = await make_worker(pool)
    for _ in range(11):
        await _create(dispatch, *[a_run()] * 100)
    await pool.execute(
        "UPDATE runs SET status = 'running', ready = false, worker_id = $1, claim = 1 WHERE position <= 1050", worker_id
    )
    first = await _cancel(dispatch, status=RUNNING)
    second = await _cancel(dispatch, status=RUNNING)
    assert len(first) == len(second) == 1000
    assert len(first.keys() | second.keys()) == 1050


async def test_the_head_of_a_queue_passes_the_turn_on(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    runs = await _create(dispatch, *[a_run(thread_id="t")] * 3)
    await _cancel(dispatch, run_ids=[run.run_id for run in runs[:2]])
    assert await pool.fetchval("SELECT run_id FROM runs WHERE ready") == UUID(runs[2].run_id)


@pytest.mark.parametrize(
    ("which", "violations"),
    [
        ({}, {"run_ids": "FIELD_REQUIRED"}),
        ({"run_ids": ["x"]}, {"run_ids[0]": "FIELD_INVALID"}),
        ({"run_ids": [str(new_uuid())] * 1001}, {"run_ids": "FIELD_OUT_OF_RANGE"}),
        (
            {"run_ids": [str(new_uuid())], "thread_id": "t", "status": PENDING},
            {"thread_id": "FIELDS_CONFLICT", "status": "FIELDS_CONFLICT"},
        ),
        ({"status": CANCELLED, "action": _NO_VALUE}, {"status": "FIELD_INVALID", "action": "UNKNOWN_ENUM_VALUE"}),
        ({"status": _NO_VALUE, "thread_id": "a b"}, {"status": "UNKNOWN_ENUM_VALUE", "thread_id": "FIELD_INVALID"}),
    ],
)
async def test_a_wrong_batch_cancel_is_refused(
    dispatch: Dispatch, refused: Any, which: Any, violations: dict[str, str]
) -> None:
    assert (await refused(_cancel(dispatch, **which))).violations == violations


async def test_a_batch_leaves_other_tenants_alone(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    [run] = await _create(dispatch, a_run())
    await pool.execute("UPDATE runs SET tenant = 'other'")
    assert await _cancel(dispatch, run_ids=[run.run_id]) == {}
    assert await _cancel(dispatch, status=PENDING) == {}
