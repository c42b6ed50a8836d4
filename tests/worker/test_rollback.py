"""Rollback: what a run wrote to its thread's checkpoints goes, and what it replaced comes back (I9)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt
from typing_extensions import TypedDict

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.fence import Fence

WRITES = """
    SELECT checkpoint_id, task_id, idx, channel, type, blob, run_id
    FROM checkpoint_writes ORDER BY checkpoint_id, task_id, idx
"""


class State(TypedDict, total=False):
    answers: list[str]


def _ask_three_times(state: State) -> State:
    return {"answers": [interrupt("first"), interrupt("second"), interrupt("third")]}


async def _run(pool: Pool, thread_id: str, value: Any) -> UUID:
    run_id = uuid4()
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, worker_id, claim,"
        " due_at, request, request_digest, created_at)"
        " VALUES ($1, $2, 'a', 1, 'g', 'running', gen_random_uuid(), 1, now(), '', '', now())",
        run_id,
        thread_id,
    )
    saver = RunwireSaver(pool, fence=Fence(run_id, 1))
    graph = StateGraph(State).add_node("ask", _ask_three_times).add_edge(START, "ask").compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": thread_id}, "metadata": {"run_id": str(run_id)}}
    await graph.ainvoke(value, config)
    await pool.execute(
        "UPDATE runs SET status = 'success', worker_id = NULL, finished_at = now() WHERE run_id = $1", run_id
    )
    return run_id


async def test_rolling_back_a_resumption_restores_the_answers_given_before_it(pool: Pool) -> None:
    thread_id = str(uuid4())
    await pool.execute("INSERT INTO threads (thread_id) VALUES ($1)", thread_id)
    await _run(pool, thread_id, {"answers": []})
    await _run(pool, thread_id, Command(resume="one"))
    before = await pool.fetch(WRITES)

    undone = await _run(pool, thread_id, Command(resume="two"))
    assert await pool.fetch(WRITES) != before
    await pool.execute("SELECT delete_checkpoints_of_run('default', $1, $2)", thread_id, undone)

    assert await pool.fetch(WRITES) == before


async def test_rolling_back_a_first_run_leaves_no_trace(pool: Pool) -> None:
    thread_id = str(uuid4())
    await pool.execute("INSERT INTO threads (thread_id) VALUES ($1)", thread_id)
    undone = await _run(pool, thread_id, {"answers": []})

    await pool.execute("SELECT delete_checkpoints_of_run('default', $1, $2)", thread_id, undone)

    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table
