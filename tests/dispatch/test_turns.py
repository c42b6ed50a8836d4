"""A run that ends without having begun has its place in the thread by its end: not before what readers saw sooner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from runwire.api.dispatch.v1.runs_pb2 import BatchCancelRunsRequest
from runwire.api.type.v1 import run_pb2
from runwire.core.postgres import Pool
from runwire.worker.claims import SQL
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, make_assistant, make_thread, make_worker
from tests.harness.databases import held_up
from tests.harness.waiting import until


@pytest.fixture
async def worker_id(pool: Pool) -> UUID:
    """A worker."""
    await make_assistant(pool)
    return await make_worker(pool)


async def _create(dispatch: Dispatch, pool: Pool, thread_id: str, count: int) -> list[str]:
    await make_thread(pool, thread_id)
    return [(await dispatch.runs.CreateRun(a_run(thread_id=thread_id))).run.run_id for _ in range(count)]


async def _claim(connection: Any, worker_id: UUID) -> list[str]:
    rows = await connection.fetch(SQL["claim_runs"], worker_id, 1, [GRAPH], 10, timedelta(hours=1), 3)
    return [str(row["run_id"]) for row in rows if row["run_id"] is not None]


async def _place(pool: Pool, run_id: str) -> datetime:
    place: datetime = await pool.fetchval(
        "SELECT COALESCE(began_at, finished_at) FROM runs WHERE run_id = $1", UUID(run_id)
    )
    return place


@asynccontextmanager
async def _cancelling(dispatch: Dispatch, pool: Pool, *run_ids: str) -> AsyncIterator[None]:
    """A cancel that is done when the block has ended; what it waits for is in another's hands in the block."""
    call = asyncio.ensure_future(dispatch.runs.BatchCancelRuns(BatchCancelRunsRequest(run_ids=run_ids)))
    await until(lambda: held_up(pool))
    yield
    assert {run.run_id for run in (await call).runs} == {*run_ids}


async def test_a_run_is_not_claimed_while_one_behind_it_is_ending(
    dispatch: Dispatch, pool: Pool, worker_id: UUID
) -> None:
    head, behind = await _create(dispatch, pool, "t", 2)
    [held] = await _create(dispatch, pool, "u", 1)
    async with pool.acquire() as other:
        lock = other.transaction()
        await lock.start()
        await other.execute("SELECT FROM threads WHERE thread_id = 'u' FOR UPDATE")
        async with _cancelling(dispatch, pool, behind, held):
            assert head not in await _claim(pool, worker_id)
            await lock.rollback()
    assert head in await _claim(pool, worker_id)
    assert await _place(pool, behind) < await _place(pool, head)


async def test_a_run_is_not_claimed_while_those_behind_it_make_way(
    dispatch: Dispatch, pool: Pool, worker_id: UUID
) -> None:
    # More than are read at once: some have ended before the first is come to.
    runs = await _create(dispatch, pool, "t", 13)
    request = a_run(thread_id="t", multitask_strategy=run_pb2.MULTITASK_STRATEGY_INTERRUPT)
    async with pool.acquire() as other:
        lock = other.transaction()
        await lock.start()
        await other.execute("SELECT FROM runs WHERE run_id = $1 FOR UPDATE", UUID(runs[1]))
        call = asyncio.ensure_future(dispatch.runs.CreateRun(request))
        await until(lambda: held_up(pool))
        assert await _claim(pool, worker_id) == []
        await lock.rollback()
    await call
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE status = 'cancelled'") == 13


async def test_a_run_does_not_end_while_the_one_before_it_is_being_claimed(
    dispatch: Dispatch, pool: Pool, worker_id: UUID
) -> None:
    head, behind = await _create(dispatch, pool, "t", 2)
    async with pool.acquire() as worker:
        claim = worker.transaction()
        await claim.start()
        assert await _claim(worker, worker_id) == [head]
        async with _cancelling(dispatch, pool, behind):
            await claim.commit()
    assert await _place(pool, head) < await _place(pool, behind)


async def test_workers_look_again_for_a_run_that_could_not_be_claimed(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    _, behind = await _create(dispatch, pool, "t", 2)
    cancel = "SELECT promoted_graph_id FROM cancel_run('default', $1, 'interrupt')"
    assert await pool.fetchval(cancel, UUID(behind)) == GRAPH
