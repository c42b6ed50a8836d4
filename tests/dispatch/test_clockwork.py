"""What the clockwork does by itself, on rows that other processes would have left."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch import clockwork
from runwire.dispatch.clockwork import Clockwork
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import check
from runwire.dispatch.runs import Runs
from tests.dispatch.factories import (
    GRAPH,
    a_run,
    end_run,
    make_assistant,
    make_thread,
    make_worker,
    start_run,
)

LONG = timedelta(minutes=1)


async def _create(pool: Pool, bus: Bus, **fields: Any) -> str:
    async with Hints(bus) as hints:
        row = await Runs(pool, hints).create("default", check(a_run(**fields)))
    return str(row["run_id"])


async def _running(pool: Pool, bus: Bus, worker_id: UUID, **fields: Any) -> str:
    run_id = await _create(pool, bus, **fields)
    await start_run(pool, run_id, worker_id)
    return run_id


async def _clear(bus: Bus) -> None:
    waiter = bus.waiter()
    while await waiter.pop([bus.keys.wake(GRAPH)], 0.05):
        pass
    await waiter.aclose()


async def _woken(bus: Bus, key: str, timeout: float = 5) -> bool:
    waiter = bus.waiter()
    try:
        return await waiter.pop([key], timeout)
    finally:
        await waiter.aclose()


async def _run(pool: Pool, run_id: str) -> Any:
    return await pool.fetchrow(
        "SELECT status, ready, worker_id, claim, attempts, events_expired FROM runs WHERE run_id = $1", UUID(run_id)
    )


async def test_a_dead_workers_runs_are_given_back_and_woken(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    worker_id = await make_worker(pool, silent_for=LONG)
    run_id = await _running(pool, bus, worker_id)
    await _clear(bus)
    async with clockwork.turning(pool, bus, settings):
        assert await _woken(bus, bus.keys.wake(GRAPH))
    row = await _run(pool, run_id)
    assert (row["status"], row["ready"], row["worker_id"], row["attempts"]) == ("pending", True, None, 1)
    assert await pool.fetchval("SELECT count(*) FROM workers") == 0


async def test_a_live_workers_runs_are_left_alone(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    run_id = await _running(pool, bus, await make_worker(pool))
    await Clockwork(pool, bus, settings).reap()
    assert (await _run(pool, run_id))["status"] == "running"


async def test_a_run_whose_worker_has_no_row_is_given_back(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    run_id = await _running(pool, bus, new_uuid())
    await Clockwork(pool, bus, settings).reap()
    assert (await _run(pool, run_id))["status"] == "pending"


async def test_a_dead_workers_run_stays_at_the_head_of_its_queue(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    first = await _running(pool, bus, await make_worker(pool, silent_for=LONG), thread_id="t")
    second = await _create(pool, bus, thread_id="t")
    await Clockwork(pool, bus, settings).reap()
    assert ((await _run(pool, first))["ready"], (await _run(pool, second))["ready"]) == (True, False)


async def test_a_cancelled_run_of_a_dead_worker_ends_and_the_next_is_ready(
    pool: Pool, bus: Bus, settings: Settings
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    first = await _running(pool, bus, await make_worker(pool, silent_for=LONG), thread_id="t")
    second = await _create(pool, bus, thread_id="t")
    async with Hints(bus) as hints:
        await Runs(pool, hints).cancel("default", UUID(first), "interrupt")
    await Clockwork(pool, bus, settings).reap()
    assert ((await _run(pool, first))["status"], (await _run(pool, second))["ready"]) == ("cancelled", True)


async def test_many_clockworks_at_once_reap_once(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    workers = [await make_worker(pool, silent_for=LONG) for _ in range(8)]
    runs = [await _running(pool, bus, worker_id) for worker_id in workers for _ in range(3)]
    await asyncio.gather(*(Clockwork(pool, bus, settings).reap() for _ in range(4)))
    assert await pool.fetchval("SELECT count(*) FROM workers") == 0
    for run_id in runs:
        row = await _run(pool, run_id)
        assert (row["status"], row["claim"], row["attempts"]) == ("pending", 1, 1)


async def test_a_run_whose_wake_up_was_lost_is_woken_again(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    await _create(pool, bus)
    await _clear(bus)
    async with clockwork.turning(pool, bus, settings):
        assert await _woken(bus, bus.keys.wake(GRAPH))


async def test_a_run_is_not_woken_before_it_is_due(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    await _create(pool, bus)
    await _clear(bus)
    await pool.execute("UPDATE runs SET due_at = now() + interval '1 hour'")
    await Clockwork(pool, bus, settings).wake_late_runs()
    assert not await _woken(bus, bus.keys.wake(GRAPH), 0.05)


async def _question(pool: Pool, *, status: str, worker_id: UUID | None, left: timedelta) -> UUID:
    request_id = new_uuid()
    await pool.execute(
        "INSERT INTO state_requests"
        " (request_id, tenant, thread_id, graph_id, kind, request, status, worker_id, deadline_at)"
        " VALUES ($1, 'default', 'thread-1', $2, 'get', '', $3, $4, now() + $5::interval)",
        request_id,
        GRAPH,
        status,
        worker_id,
        left,
    )
    return request_id


async def test_a_dead_workers_question_is_given_back_and_woken(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_thread(pool)
    left = await _question(pool, status="running", worker_id=new_uuid(), left=LONG)
    held = await _question(pool, status="running", worker_id=await make_worker(pool), left=LONG)
    await Clockwork(pool, bus, settings).tend_questions()
    assert await _woken(bus, bus.keys.wake_state(GRAPH))
    rows = await pool.fetch("SELECT request_id, status FROM state_requests")
    assert {row["request_id"]: row["status"] for row in rows} == {left: "pending", held: "running"}


async def test_a_question_that_nobody_waits_for_is_removed(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_thread(pool)
    await _question(pool, status="done", worker_id=None, left=-LONG)
    kept = await _question(pool, status="pending", worker_id=None, left=LONG)
    await Clockwork(pool, bus, settings).tend_questions()
    assert [row["request_id"] for row in await pool.fetch("SELECT request_id FROM state_requests")] == [kept]


async def test_events_past_their_retention_are_removed_and_the_run_says_so(
    pool: Pool, bus: Bus, settings: Settings, soon: Any
) -> None:
    await make_assistant(pool)
    old, new = [await _create(pool, bus) for _ in range(2)]
    await end_run(pool, old, ago=settings.event_retention + LONG)
    await end_run(pool, new, ago=settings.event_retention - LONG)
    for run_id in (old, new):
        await pool.execute("INSERT INTO run_events VALUES ($1, 1, 1, 1, 'x')", UUID(run_id))

    async def expired() -> bool:
        return bool((await _run(pool, old))["events_expired"])

    async with clockwork.turning(pool, bus, settings):
        await soon(expired)
    assert not (await _run(pool, new))["events_expired"]
    assert [str(row["run_id"]) for row in await pool.fetch("SELECT run_id FROM run_events")] == [new]


async def test_removed_runs_are_forgotten_after_a_day(pool: Pool, bus: Bus, settings: Settings) -> None:
    old, new = new_uuid(), new_uuid()
    await pool.execute(
        "INSERT INTO removed_runs VALUES ('default', $1, now() - interval '25 hours'), ('default', $2, now())",
        old,
        new,
    )
    await Clockwork(pool, bus, settings).forget_removed_runs()
    assert [row["run_id"] for row in await pool.fetch("SELECT run_id FROM removed_runs")] == [new]


async def test_the_clockwork_goes_on_after_its_connections_were_cut(
    pool: Pool, bus: Bus, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    await make_assistant(pool)
    async with clockwork.turning(pool, bus, settings):
        for _ in range(30):
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await make_worker(pool, silent_for=LONG)
        async with asyncio.timeout(10):
            while await pool.fetchval("SELECT count(*) FROM workers"):
                await asyncio.sleep(0.02)
    assert "error" not in {record.levelname.lower() for record in caplog.records}


async def test_a_stopped_clockwork_stops_at_once(pool: Pool, bus: Bus, settings: Settings) -> None:
    slow = settings.model_copy(update={"sweep_interval": timedelta(hours=1)})
    async with asyncio.timeout(2):
        async with clockwork.turning(pool, bus, slow):
            pass
