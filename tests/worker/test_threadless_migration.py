"""Runs without a thread that are under way while the schema moves on to checkpoints of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from asyncpg_trek import Direction, execute, plan
from asyncpg_trek.asyncpg import AsyncpgBackend

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool, migrate
from runwire.embedded import Servers
from runwire.worker.checkpoint import RunwireSaver
from tests.harness.databases import empty_database
from tests.worker.checkpoint_graphs import MIGRATIONS, put_one


@pytest.fixture
async def before(servers: Servers) -> AsyncIterator[str]:
    """A database of before."""
    async with empty_database(servers) as uri:
        connection = await asyncpg.connect(uri)
        backend = AsyncpgBackend(connection)
        await execute(backend, await plan(backend, MIGRATIONS, "cron_lanes", Direction.up))
        await connection.close()
        yield uri


async def _run(pool: Pool, tenant: str) -> str:
    """A run that has written a checkpoint, a blob and a write, as they were named; the value is its id."""
    run_id = uuid4()
    await pool.execute(
        "INSERT INTO runs (tenant, run_id, assistant_id, assistant_version, graph_id, claim, ready, due_at, request,"
        " request_digest, created_at) VALUES ($1, $2, 'a', 1, 'g', 1, true, now(), '', '', now())",
        tenant,
        run_id,
    )
    saver = RunwireSaver(pool, keys=ThreadKeys(tenant))
    config = await put_one(saver, {"configurable": {"thread_id": str(run_id), "checkpoint_ns": ""}}, big=[1, 2])
    await saver.aput_writes(config, [("more", 3)], "task")
    return str(run_id)


async def _kept(pool: Pool, tenant: str, thread_id: str, own: str | None) -> object:
    """Values and writes, as a run or as a thread finds them."""
    saver = RunwireSaver(pool, keys=ThreadKeys(tenant, own))
    found = await saver.aget_tuple({"configurable": {"thread_id": thread_id}})
    return found and (found.checkpoint["channel_values"], [write[1:] for write in found.pending_writes or ()])


@pytest.mark.parametrize("tenant", ["default", "acme"])
async def test_a_run_that_was_begun_goes_on_from_its_checkpoints(before: str, tenant: str) -> None:
    async with asyncpg.create_pool(before, min_size=1) as pool:
        run_id = await _run(pool, tenant)
        await migrate(before)
        assert await _kept(pool, tenant, run_id, run_id) == ({"big": [1, 2]}, [("more", 3)])
        assert await _kept(pool, tenant, run_id, None) is None


async def test_what_a_thread_with_the_runs_id_has_stays_the_threads(before: str) -> None:
    async with asyncpg.create_pool(before, min_size=1) as pool:
        run_id = await _run(pool, "default")
        await pool.execute("INSERT INTO threads (thread_id) VALUES ($1)", run_id)
        await migrate(before)
        assert await _kept(pool, "default", run_id, None) == ({"big": [1, 2]}, [("more", 3)])
        assert await _kept(pool, "default", run_id, run_id) is None


async def test_checkpoints_of_threads_keep_their_names(before: str) -> None:
    async with asyncpg.create_pool(before, min_size=1) as pool:
        run_id = await _run(pool, "default")
        await pool.execute("INSERT INTO threads (thread_id) VALUES ('t')")
        await pool.execute("UPDATE runs SET thread_id = 't' WHERE run_id = $1", UUID(run_id))
        await migrate(before)
        assert await _kept(pool, "default", run_id, None) == ({"big": [1, 2]}, [("more", 3)])
