"""Delayed runs: whose turn it is on a thread, and who is woken when the time has come."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1.runs_pb2 import CancelRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch.clockwork import Clockwork
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, end_run, make_assistant, make_thread, make_worker, start_run

HOUR = 3600


async def _create(dispatch: Dispatch, delay: float = 0, **fields: Any) -> run_pb2.Run:
    if delay:
        fields["start_delay"] = Duration(seconds=int(delay), nanos=int(delay % 1 * 1e9))
    run: run_pb2.Run = (await dispatch.runs.CreateRun(a_run(**fields))).run
    return run


async def _ready(pool: Pool) -> list[str]:
    return [str(row["run_id"]) for row in await pool.fetch("SELECT run_id FROM runs WHERE ready")]


async def _prepare(pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")


async def test_a_run_is_due_after_its_delay(dispatch: Dispatch, pool: Pool) -> None:
    await _prepare(pool)
    run = await _create(dispatch, 2.5)
    assert run.due_time.ToDatetime() - run.create_time.ToDatetime() == timedelta(seconds=2.5)
    at_once = await _create(dispatch)
    assert at_once.due_time == at_once.create_time


async def test_a_delayed_run_wakes_nobody_before_its_time(
    dispatch: Dispatch, pool: Pool, bus: Bus, settings: Settings
) -> None:
    await _prepare(pool)
    run = await _create(dispatch, HOUR)
    await Clockwork(pool, bus, settings).wake_due_runs()
    waiter = bus.waiter()
    assert not await waiter.pop([bus.keys.wake(GRAPH)], 0.1)
    await pool.execute("UPDATE runs SET due_at = now() WHERE run_id = $1", UUID(run.run_id))
    await Clockwork(pool, bus, settings).wake_due_runs()
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await waiter.aclose()


async def test_the_turn_moves_to_a_run_that_is_due_before(dispatch: Dispatch, pool: Pool) -> None:
    await _prepare(pool)
    first = await _create(dispatch, HOUR, thread_id="t")
    assert await _ready(pool) == [first.run_id]
    second = await _create(dispatch, HOUR / 2, thread_id="t")
    assert await _ready(pool) == [second.run_id]
    await _create(dispatch, HOUR * 2, thread_id="t")
    assert await _ready(pool) == [second.run_id]
    third = await _create(dispatch, thread_id="t")
    assert await _ready(pool) == [third.run_id]


async def test_a_run_that_gets_the_turn_from_a_delayed_one_wakes_a_worker(
    dispatch: Dispatch, pool: Pool, bus: Bus
) -> None:
    await _prepare(pool)
    await _create(dispatch, HOUR, thread_id="t")
    await _create(dispatch, thread_id="t")
    waiter = bus.waiter()
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await waiter.aclose()


async def test_runs_get_the_turn_in_the_order_of_their_due_times(dispatch: Dispatch, pool: Pool) -> None:
    await _prepare(pool)
    delays = [HOUR, 0, HOUR / 2, 0, HOUR / 2]
    made = [(await _create(dispatch, delay, thread_id="t")).run_id for delay in delays]
    order = []
    for _ in made:
        [run_id] = await _ready(pool)
        order.append(made.index(run_id))
        await dispatch.runs.CancelRun(CancelRunRequest(run_id=run_id))
    assert order == [1, 3, 2, 4, 0]


async def test_the_end_of_a_run_passes_the_turn_on_to_a_delayed_one(dispatch: Dispatch, pool: Pool) -> None:
    await _prepare(pool)
    delayed = await _create(dispatch, HOUR, thread_id="t")
    run = await _create(dispatch, thread_id="t")
    await start_run(pool, run.run_id, await make_worker(pool))
    await pool.execute(
        "SELECT finish_run($1, 1, 'default', 't', 'success', 'null', NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        UUID(run.run_id),
    )
    assert await _ready(pool) == [delayed.run_id]


async def test_a_run_that_was_begun_before_keeps_the_turn(dispatch: Dispatch, pool: Pool) -> None:
    await _prepare(pool)
    begun = await _create(dispatch, thread_id="t")
    await start_run(pool, begun.run_id, await make_worker(pool))
    waiting = await _create(dispatch, thread_id="t")
    await pool.execute("SELECT release_run('default', $1, 1, true, interval '1 minute')", UUID(begun.run_id))
    later = await _create(dispatch, thread_id="t")
    assert await _ready(pool) == [begun.run_id]
    await dispatch.runs.CancelRun(CancelRunRequest(run_id=later.run_id))
    assert await _ready(pool) == [begun.run_id]
    await dispatch.runs.CancelRun(CancelRunRequest(run_id=begun.run_id))
    assert await _ready(pool) == [waiting.run_id]


async def test_a_claim_and_a_new_run_do_not_both_get_the_turn(dispatch: Dispatch, pool: Pool) -> None:
    """A claim does not wait for the thread's lock."""
    await _prepare(pool)
    worker_id = await make_worker(pool)
    for _ in range(10):
        due = await _create(dispatch, thread_id="t")
        # Due, and yet behind what is created next: as if its time came just now.
        await pool.execute("UPDATE runs SET due_at = now() + interval '1 minute' WHERE run_id = $1", UUID(due.run_id))
        await asyncio.gather(
            pool.execute(
                "UPDATE runs SET status = 'running', ready = false, worker_id = $2, claim = 1"
                " WHERE run_id = (SELECT run_id FROM runs WHERE ready AND run_id = $1 FOR UPDATE SKIP LOCKED)",
                UUID(due.run_id),
                worker_id,
            ),
            *(_create(dispatch, thread_id="t") for _ in range(3)),
        )
        turns = await pool.fetchval("SELECT count(*) FROM runs WHERE ready OR status = 'running'")
        assert turns == 1
        for row in await pool.fetch("SELECT run_id FROM runs WHERE finished_at IS NULL"):
            await end_run(pool, str(row["run_id"]))
