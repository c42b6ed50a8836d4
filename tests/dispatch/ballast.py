"""A queue of runs, and what may lie behind it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from runwire.core.ids import DEFAULT_TENANT, new_uuid
from runwire.worker.claims import ClaimedRun
from tests.dispatch.factories import GRAPH, a_run

READY_THREADS = 40
DEEP, IDLE = "deep", "idle"
"""A thread with a run at work and three behind it, and a thread that no run uses."""

_OTHER, _PAST_THREADS = "other", 1000
_QUEUED_ON_OTHER = 1000


async def queue(connection: Any) -> tuple[UUID, ClaimedRun]:
    """Ready runs, one a thread, and two threads with more to do. Returns the worker, and the run that it is at."""
    worker_id = new_uuid()
    await connection.execute(
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease)"
        " VALUES ($1, 'host', '0', $2, 32, interval '1 day')",
        worker_id,
        [GRAPH],
    )
    await connection.execute(
        "INSERT INTO threads (thread_id)"
        " SELECT unnest($1::text[])"
        " UNION ALL SELECT 'ready-' || n FROM generate_series(1, $2) n"
        " UNION ALL SELECT 'past-' || n FROM generate_series(0, $3) n",
        [DEEP, IDLE, _OTHER],
        READY_THREADS,
        _PAST_THREADS - 1,
    )
    # They have been due for a while.
    await connection.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, created_at)"
        " SELECT gen_random_uuid(), 'ready-' || n, $1, 1, $1, true, t, '', '', t"
        " FROM generate_series(1, $2) n, (SELECT now() - interval '1 minute' AS t) s",
        GRAPH,
        READY_THREADS,
    )
    run = await _run_at_work(connection, worker_id)
    await queued_runs(connection, DEEP, 3)
    await queued_runs(connection, _OTHER, _QUEUED_ON_OTHER)
    return worker_id, run


async def queued_runs(connection: Any, thread_id: str, count: int) -> None:
    """Runs that wait for their thread's turn."""
    await connection.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, due_at, request,"
        " request_digest, created_at)"
        " SELECT gen_random_uuid(), $1, $2, 1, $2, now(), '', '', now() FROM generate_series(1, $3)",
        thread_id,
        GRAPH,
        count,
    )


async def finished_runs(connection: Any, count: int) -> None:
    """Runs that ended in the last days: half of them of the deep thread, a quarter of none."""
    indexes = await connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i"
        " WHERE i.indrelid = 'runs'::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)"
    )
    first = await connection.fetchval("SELECT count(*) + 1 FROM runs")
    async with connection.transaction():
        # Neither triggers nor foreign keys, and indexes made at once, take a third of the time.
        await connection.execute(
            "SET LOCAL session_replication_role = replica; SET LOCAL maintenance_work_mem = '256MB'"
        )
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.execute(
            "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, claim, attempts,"
            " due_at, request, request_digest, created_at, started_at, began_at, finished_at)"
            " SELECT lpad(to_hex(n), 32, '0')::uuid,"
            " CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'past-' || n % $5 ELSE $1 END,"
            " $2, 1, $2, 'success', 1, 1, t, '', '', t, t, t, t"
            " FROM (SELECT n, now() - n * interval '0.5 seconds' AS t FROM generate_series($3::int, $3 + $4 - 1) n) s",
            DEEP,
            GRAPH,
            first,
            count,
            _PAST_THREADS,
        )
        for index in indexes:
            await connection.execute(index["definition"])


async def _run_at_work(connection: Any, worker_id: UUID) -> ClaimedRun:
    run = ClaimedRun(
        run_id=new_uuid(),
        tenant=DEFAULT_TENANT,
        thread_id=DEEP,
        assistant_id=GRAPH,
        graph_id=GRAPH,
        claim=1,
        attempts=1,
        event_log=True,
        metadata="{}",
        timeout=timedelta(hours=1),
        request=a_run(),
    )
    await connection.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, worker_id, executor,"
        " claim, attempts, due_at, request, request_digest, created_at, started_at, began_at, deadline_at)"
        " SELECT $1, $2, $3, 1, $3, 'running', $4, 1, 1, 1, t, '', '', t, t, t, t + interval '1 day'"
        " FROM (SELECT now() AS t) s",
        run.run_id,
        DEEP,
        GRAPH,
        worker_id,
    )
    return run
