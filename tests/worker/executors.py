"""An executor in the test's own process, runs for it, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict, cast
from uuid import UUID

from langgraph.graph import START, StateGraph

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.executor import Executor
from runwire.worker.graphs import Graphs
from runwire.worker.outbox import Outbox
from runwire.worker.registration import Registration
from tests.harness.waiting import until


class State(TypedDict, total=False):
    """Nothing."""


def side_by_side(**nodes: Any) -> StateGraph[Any, Any, Any, Any]:
    """A graph that begins with all of these nodes and ends when they have."""
    graph: StateGraph[Any, Any, Any, Any] = StateGraph(State)
    for name, node in nodes.items():
        graph.add_node(name, node).add_edge(START, name)
    return graph


@asynccontextmanager
async def executing(
    graph: StateGraph[Any, Any, Any, Any], settings: Settings, pool: object, bus: Bus
) -> AsyncIterator[Executor]:
    """Executes runs of `graph` beside the block, and drains at the block's end."""
    life = Registration(cast(Pool, pool), settings)
    await life.enter(["g"], 1)
    async with Outbox(cast(Pool, pool), bus, settings) as outbox:
        executor = Executor(settings, life.worker_id, 1, Graphs({"g": graph}), cast(Pool, pool), bus, outbox)
        running = asyncio.create_task(executor.run())
        try:
            yield executor
        finally:
            executor.drain()
            await running


async def insert_run(pool: Pool, thread_id: str | None = None, **fields: Any) -> UUID:
    """A run that is ready; `fields` are its request's."""
    run_id = new_uuid()
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, created_at) VALUES ($1, $2, 'a', 1, 'g', true, now(), $3, '', now())",
        run_id,
        thread_id,
        CreateRunRequest(**fields or {"input": Json(text="{}")}).SerializeToString(),
    )
    return run_id


async def status_of(pool: Pool, run_id: UUID) -> str:
    """As it is in Postgres now."""
    status: str = await pool.fetchval("SELECT status FROM runs WHERE run_id = $1", run_id)
    return status


async def becomes(pool: Pool, run_id: UUID, status: str) -> None:
    """Waits until the run has this status."""

    async def is_there() -> bool:
        return await status_of(pool, run_id) == status

    await until(is_there)
