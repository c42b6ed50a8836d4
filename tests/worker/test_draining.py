"""What a worker still holds at its end is handed back, even if Postgres fails for a moment; nothing is left running."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

import asyncpg

from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.executor import Executor
from runwire.worker.graphs import Graphs
from runwire.worker.outbox import Outbox
from runwire.worker.registration import SQL, Registration
from runwire.worker.supervisor import Supervisor


class Deadlocked:
    """A pool of which the first statement that gives runs back loses to another one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._has_lost = False

    async def execute(self, *args: Any) -> Any:
        return await self._pool.execute(*args)

    async def fetch(self, statement: str, *args: Any) -> Any:
        if statement == SQL["release_runs"] and not self._has_lost:
            self._has_lost = True
            raise asyncpg.DeadlockDetectedError
        return await self._pool.fetch(statement, *args)


async def test_runs_are_handed_back_at_the_end_although_the_first_try_fails(
    pool: Pool, bus: Bus, settings: Settings
) -> None:
    life = Registration(cast(Pool, Deadlocked(pool)), settings)
    await life.enter(["g"], 1)
    await pool.execute(
        "INSERT INTO runs (run_id, assistant_id, assistant_version, graph_id, status, worker_id, executor, claim,"
        " due_at, request, request_digest, created_at)"
        " VALUES ($1, 'a', 1, 'g', 'running', $2, 1, 1, now(), '', '', now())",
        new_uuid(),
        life.worker_id,
    )
    await Supervisor(settings, pool, bus)._drain(life, asyncio.create_task(asyncio.sleep(0)))
    assert await pool.fetchval("SELECT status FROM runs") == "pending"
    assert await pool.fetchval("SELECT count(*) FROM workers") == 0


async def test_a_drained_executor_leaves_nothing_that_still_waits_for_postgres(
    pool: Pool, bus: Bus, settings: Settings
) -> None:
    short = timedelta(milliseconds=50)
    settings = settings.model_copy(update={"drain_timeout": short, "cancel_grace": short})

    async def hand_back() -> None:
        await pool.execute("SELECT pg_sleep(60)")

    async with Outbox(pool, bus, settings) as outbox:
        executor = Executor(settings, new_uuid(), 1, Graphs({}), pool, bus, outbox)
        executor._start(hand_back(), "hand-back")
        executor.drain()
        await executor.run()
    assert "hand-back" not in {task.get_name() for task in asyncio.all_tasks()}
