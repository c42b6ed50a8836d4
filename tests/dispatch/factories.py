"""Rows that other processes would have written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core.ids import default_assistant_id, new_uuid
from runwire.core.postgres import Pool

GRAPH = "agent"


async def make_assistant(
    pool: Pool,
    assistant_id: str | None = None,
    *,
    graph_id: str = GRAPH,
    version: int = 1,
    config: RunConfig | None = None,
    context: str | None = None,
    metadata: str = "{}",
) -> str:
    """A version of an assistant, the default one of its graph unless an id is given."""
    made = assistant_id or default_assistant_id(graph_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO assistants (assistant_id, version, is_default) VALUES ($1, $2, $3)"
            " ON CONFLICT (tenant, assistant_id) DO UPDATE SET version = $2",
            made,
            version,
            assistant_id is None,
        )
        await connection.execute(
            "INSERT INTO assistant_versions (assistant_id, version, graph_id, name, config, context, metadata)"
            " VALUES ($1, $2, $3, $1, $4, $5, $6)",
            made,
            version,
            graph_id,
            (config or RunConfig()).SerializeToString(),
            context,
            metadata,
        )
    return made


async def make_thread(
    pool: Pool, thread_id: str = "thread-1", *, graph_id: str | None = None, metadata: str = "{}"
) -> str:
    """A thread."""
    await pool.execute(
        "INSERT INTO threads (thread_id, graph_id, metadata) VALUES ($1, $2, $3)", thread_id, graph_id, metadata
    )
    return thread_id


async def make_worker(
    pool: Pool, *, graph_id: str = GRAPH, silent_for: timedelta = timedelta(), draining: bool = False
) -> UUID:
    """A worker with a lease of ten seconds."""
    worker_id = new_uuid()
    await pool.execute(
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, draining, lease, heartbeat_at)"
        " VALUES ($1, 'host', '0', ARRAY[$2], 4, $4, interval '10 seconds', now() - $3::interval)",
        worker_id,
        graph_id,
        silent_for,
        draining,
    )
    return worker_id


async def start_run(pool: Pool, run_id: str, worker_id: UUID) -> None:
    """Makes a pending run RUNNING, as a claim does."""
    await pool.execute(
        "UPDATE runs SET status = 'running', ready = false, worker_id = $2, claim = claim + 1,"
        " attempts = attempts + 1, started_at = now(), began_at = COALESCE(began_at, now()) WHERE run_id = $1",
        UUID(run_id),
        worker_id,
    )


async def end_run(pool: Pool, run_id: str, *, ago: timedelta = timedelta()) -> None:
    """Makes a run SUCCESS."""
    await pool.execute(
        "UPDATE runs SET status = 'success', ready = false, worker_id = NULL, finished_at = now() - $2::interval"
        " WHERE run_id = $1",
        UUID(run_id),
        ago,
    )


def a_run(**fields: Any) -> CreateRunRequest:
    """A request for a run of the graph's default assistant."""
    given: dict[str, Any] = {"assistant_id": GRAPH, "input": Json(text='{"n":1}'), **fields}
    return CreateRunRequest(**given)
