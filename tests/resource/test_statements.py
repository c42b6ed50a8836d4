"""What Postgres makes of the statements that read many rows."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import pytest

from runwire.api.resource.v1.threads_pb2 import ThreadStatus
from runwire.core.paging import Place
from runwire.core.postgres import Pool
from runwire.resource import pruning, threads
from runwire.resource.listing import Order
from runwire.resource.threads import Filter

THREADS = 20_000
BY_UPDATE = Order(column="t.updated_at", id_column="t.thread_id", descending=True)


@pytest.fixture
async def many_threads(pool: Pool) -> Pool:
    """Threads of many users; each hundredth has a pending run."""
    await pool.execute(
        "INSERT INTO threads (thread_id, metadata, updated_at)"
        " SELECT 't-' || n, jsonb_build_object('user', n % 2000), now() - n * interval '1 s'"
        " FROM generate_series(1, $1::int) n",
        THREADS,
    )
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, due_at, created_at, request,"
        " request_digest, status, finished_at)"
        " SELECT gen_random_uuid(), 't-' || n, 'a', 1, 'g', now(), now(), '', '',"
        "  CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'success' END, CASE WHEN n % 100 = 0 THEN NULL ELSE now() END"
        " FROM generate_series(1, $1::int) n",
        THREADS,
    )
    await pool.execute("ANALYZE threads, runs")
    return pool


async def plan(pool: Pool, wanted: Filter, after: Place | None) -> str:
    conditions = wanted.conditions("default")
    if after is not None:
        BY_UPDATE.after(after, conditions)
    text = threads._LIST[False].format(conditions=conditions, order=BY_UPDATE, limit="51")
    async with pool.acquire() as connection:
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {text}", *conditions.arguments)
    return "\n".join(row[0] for row in rows)


async def test_a_page_deep_in_a_list_is_read_through_its_index(many_threads: Pool) -> None:
    deep = Place(datetime(2020, 1, 1, tzinfo=UTC), "t-1")
    told = await plan(many_threads, Filter(), deep)
    assert "Seq Scan on threads" not in told, told
    assert "ROW(updated_at, thread_id) <" in told, told


async def test_a_users_threads_are_found_through_the_metadata_index(many_threads: Pool) -> None:
    told = await plan(many_threads, Filter(metadata_contains='{"user": 7}'), None)
    assert "threads_metadata" in told, told
    assert "Seq Scan on threads" not in told, told


@pytest.mark.parametrize("status", [ThreadStatus.THREAD_STATUS_BUSY, ThreadStatus.THREAD_STATUS_IDLE])
async def test_a_status_filter_reads_no_finished_run(many_threads: Pool, status: ThreadStatus) -> None:
    told = await plan(many_threads, Filter(status=status, metadata_contains='{"user": 100}'), None)
    assert "runs_queue" in told, told
    assert "Seq Scan on runs" not in told, told


async def test_a_sweep_reads_expired_threads_alone(many_threads: Pool) -> None:
    await many_threads.execute(
        "UPDATE threads SET ttl_strategy = 'delete', ttl = CASE WHEN metadata -> 'user' = '7' THEN interval '0'"
        " ELSE interval '1 day' END"
    )
    await many_threads.execute("ANALYZE threads")
    async with many_threads.acquire() as connection:
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {pruning._SQL['lock_expired']}", 10)
    told = "\n".join(row[0] for row in rows)
    assert "threads_by_expiry" in told, told
    assert "Seq Scan" not in told, told


async def test_the_statements_are_valid_whatever_is_filtered(pool: Pool) -> None:
    wanted = Filter(thread_ids=["t"], status=2, metadata_contains="{}", values_contain="{}")
    try:
        await plan(pool, wanted, Place(datetime(2020, 1, 1, tzinfo=UTC), "t"))
    except asyncpg.PostgresError as error:
        pytest.fail(str(error))
