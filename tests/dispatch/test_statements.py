"""Every statement fits the schema, and the hot ones stay off what is finished."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.run_message import RUN_COLUMNS, STATUSES, STRATEGIES
from runwire.dispatch import assistants, clockwork, runs, runs_creation, thread_state, workers

STATEMENTS = {
    f"{module.__name__.rsplit('.', 1)[-1]}.{name}": text
    for module in (assistants, clockwork, runs, runs_creation, thread_state, workers)
    for name, text in module._SQL.items()
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_a_statement_fits_the_schema(pool: Pool, name: str) -> None:
    async with pool.acquire() as connection:
        await connection.prepare(STATEMENTS[name])


async def test_the_columns_of_a_run_exist_and_hold_the_words_of_the_contract(pool: Pool) -> None:
    names = await pool.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'runs'::regclass AND attnum > 0")
    assert set(RUN_COLUMNS) <= {row["attname"] for row in names}
    checked = await pool.fetchval(
        "SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint WHERE conrelid = 'runs'::regclass"
    )
    for word in {*STATUSES, *STRATEGIES} - {"unspecified"}:
        assert f"'{word}'" in checked


@pytest.fixture
async def long_history(pool: Pool) -> Pool:
    """Ten thousand finished runs, most of them of one thread, and a few active ones."""
    await pool.execute("INSERT INTO threads (thread_id) VALUES ('busy'), ('quiet')")
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, ready, due_at,"
        " request, request_digest, created_at, finished_at)"
        " SELECT gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'quiet' ELSE 'busy' END, 'a', 1, 'agent',"
        " CASE WHEN n > 10000 THEN 'pending' ELSE 'success' END, n IN (10001, 10010), now(), '', '',"
        " now() - n * interval '1 second', CASE WHEN n > 10000 THEN NULL ELSE now() END"
        " FROM generate_series(1, 10020) n"
    )
    await pool.execute("VACUUM ANALYZE runs")
    return pool


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in _nodes(inner))]


async def _indexes(pool: Pool, statement: str, *values: object) -> set[str]:
    """The indexes a statement reads; a sequential scan counts as one of its own name."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        rows = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    nodes = _nodes(json.loads(rows)[0]["Plan"])
    return {node.get("Index Name", node["Node Type"]) for node in nodes if "Scan" in node["Node Type"]} - {
        "Subquery Scan",
        "Function Scan",
        "CTE Scan",
        "WorkTable Scan",
    }


async def test_late_runs_are_found_by_the_index_of_ready_ones(long_history: Pool) -> None:
    late = STATEMENTS["clockwork.late_graphs"].replace("$1::interval", "interval '0'")
    assert await _indexes(long_history, late) == {"runs_due"}


async def test_runs_that_have_just_become_due_are_found_by_the_index_of_ready_ones(long_history: Pool) -> None:
    due = STATEMENTS["clockwork.due_graphs"].replace("$1::interval", "interval '1 second'").replace("$2", "10000")
    assert await _indexes(long_history, due) == {"runs_due"}


async def test_a_threads_active_runs_are_found_by_the_index_of_its_queue(long_history: Pool) -> None:
    active = (
        "SELECT EXISTS (SELECT 1 FROM runs r WHERE r.tenant = 'default' AND r.thread_id = 'busy'"
        " AND r.status IN ('pending', 'running'))"
    )
    assert await _indexes(long_history, active) == {"runs_queue"}


async def test_the_next_run_of_a_thread_is_found_by_the_index_of_its_queue(long_history: Pool) -> None:
    following = (
        "SELECT run_id FROM runs WHERE tenant = 'default' AND thread_id = 'busy' AND status = 'pending'"
        " ORDER BY due_at, position LIMIT 1"
    )
    assert await _indexes(long_history, following) == {"runs_queue"}


@pytest.mark.parametrize(
    ("name", "index", "thread"),
    [
        ("list_newest_first", "runs_by_creation", ()),
        ("list_oldest_first", "runs_by_creation", ()),
        ("list_of_thread_newest_first", "runs_of_thread_by_creation", ("quiet",)),
        ("list_of_thread_oldest_first", "runs_of_thread_by_creation", ("quiet",)),
    ],
)
async def test_a_page_of_runs_is_read_off_an_index(
    long_history: Pool, name: str, index: str, thread: tuple[str, ...]
) -> None:
    after = await long_history.fetchrow("SELECT created_at FROM runs ORDER BY created_at OFFSET 500 LIMIT 1")
    values = ("default", None, None, None, after["created_at"], new_uuid(), 50, *thread)
    async with long_history.acquire() as connection:
        statement = await connection.prepare(STATEMENTS[f"runs.{name}"])
        plan = await statement.explain(*values)
    assert {node.get("Index Name") for node in _nodes(plan[0]["Plan"])} - {None} == {index}
