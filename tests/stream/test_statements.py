"""Every statement fits the schema, and a page of a long log is read off its index."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import Pool
from runwire.core.run_message import RUN_COLUMNS
from runwire.stream import disconnect, log, thread_log, wait
from tests.stream.producer import Producer

STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name}": text
    for module in (disconnect, log, thread_log, wait)
    for name, text in module._SQL.items()
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_fits_the_schema(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection:
        await connection.prepare(STATEMENTS[name])


async def test_a_waiter_reads_all_that_a_run_message_needs(pool: Pool) -> None:
    async with pool.acquire() as connection:
        statement = await connection.prepare(STATEMENTS["wait.read_run"])
        assert set(RUN_COLUMNS) <= {attribute.name for attribute in statement.get_attributes()}


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in _nodes(inner))]


async def test_a_look_deep_into_a_long_log_reads_a_page_of_it(producer: Producer, pool: Pool) -> None:
    run_id = await producer.create()
    await pool.execute(
        "INSERT INTO run_events (run_id, claim, first_seq, last_seq, events)"
        " SELECT $1, claim, n * 10 + 1, n * 10 + 10, repeat('x', 3000)::bytea"
        " FROM generate_series(0, 4999) n, generate_series(1, 2) claim",
        run_id,
    )
    await pool.execute("VACUUM ANALYZE run_events")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        arguments = (DEFAULT_TENANT, run_id, 1, 25_005, 64 * 1024, 256)
        rows = await connection.fetch(STATEMENTS["log.look"], *arguments)
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {STATEMENTS['log.look']}", *arguments
        )
    assert [(row["batch_claim"], row["first_seq"]) for row in rows[:2]] == [(1, 25_001), (1, 25_011)]
    assert (len(rows), rows[0]["found"]) == (22, 256)
    scans = [node for node in _nodes(json.loads(explained)[0]["Plan"]) if node.get("Relation Name") == "run_events"]
    assert {node.get("Index Name") for node in scans} == {"run_events_pkey"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) < 300
    assert sum(node.get("Rows Removed by Filter", 0) for node in scans) < 10


async def test_the_next_runs_of_a_thread_with_many_are_read_off_their_indexes(producer: Producer, pool: Pool) -> None:
    first = await producer.create(thread_id="t")
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, due_at, request,"
        " request_digest, created_at, began_at, finished_at)"
        " SELECT gen_random_uuid(), thread_id, assistant_id, 1, graph_id, made.status, due_at, request, request_digest,"
        " created_at, made.moment, made.moment"
        " FROM runs, generate_series(1, 10000) n, LATERAL ("
        "     VALUES ('success', now() + n * interval '1 ms'), ('pending', NULL)"
        " ) AS made (status, moment) WHERE run_id = $1",
        first,
    )
    await pool.execute("VACUUM ANALYZE runs")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        after = await connection.fetchval("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY began_at) FROM runs")
        arguments = (DEFAULT_TENANT, "t", after, 100)
        rows = await connection.fetch(STATEMENTS["thread_log.next_runs"], *arguments)
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {STATEMENTS['thread_log.next_runs']}", *arguments
        )
    assert len(rows) == 101
    assert rows[-1]["run_id"] == first
    scans = [node for node in _nodes(json.loads(explained)[0]["Plan"]) if node.get("Relation Name") == "runs"]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) < 110
    assert sum(node.get("Rows Removed by Filter", 0) for node in scans) < 10
