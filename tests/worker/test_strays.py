"""What a claim took without its executor hearing of it is given back, however busy the executor is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, cast

from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.claims import SQL as RUNS
from runwire.worker.graphs import Graphs
from runwire.worker.registration import Registration
from runwire.worker.thread_state import SQL as STATE
from runwire.worker.thread_state import StateLane
from tests.harness.waiting import until
from tests.worker.executors import State, becomes, executing, insert_run, side_by_side, status_of


class Unheard:
    """A pool whose first claim fails. It is done nevertheless: before that, or right after the second one."""

    def __init__(self, pool: Pool, *, late: bool = False) -> None:
        self._pool = pool
        self._late = late
        self._claims = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def fetch(self, statement: str, *args: Any) -> Any:
        return await self._claiming(self._pool.fetch, statement, *args)

    async def fetchrow(self, statement: str, *args: Any) -> Any:
        return await self._claiming(self._pool.fetchrow, statement, *args)

    async def _claiming(self, call: Any, statement: str, *args: Any) -> Any:
        if statement not in (RUNS["claim_runs"], STATE["claim_state_request"]):
            return await call(statement, *args)
        self._claims += 1
        if self._claims == 1 and self._late:
            raise ConnectionResetError
        taken = await call(statement, *args)
        if self._claims == 1:
            raise ConnectionResetError
        if self._claims == 2 and self._late:
            await call(statement, *args)
        return taken


async def test_they_are_given_back_although_the_time_for_it_was_over_at_the_next_claim(
    pool: Pool, bus: Bus, settings: Settings
) -> None:
    # As when a node has blocked the loop for that long.
    settings = settings.model_copy(update={"lease": timedelta(0)})
    run_id = await insert_run(pool)
    async with executing(side_by_side(node=lambda _: {}), settings, Unheard(pool), bus):
        await becomes(pool, run_id, "success")
    assert await pool.fetchval("SELECT attempts FROM runs") == 1


async def test_they_are_given_back_although_all_slots_are_full(pool: Pool, bus: Bus, settings: Settings) -> None:
    settings = settings.model_copy(update={"slots": 1})
    leave = asyncio.Event()

    async def node(_: State) -> State:
        await leave.wait()
        return {}

    async def is_given_back() -> bool:
        return bool(await pool.fetchval("SELECT claim = 1 AND status = 'pending' FROM runs WHERE run_id = $1", astray))

    held, astray = await insert_run(pool), await insert_run(pool)
    async with executing(side_by_side(node=node), settings, Unheard(pool, late=True), bus):
        await until(is_given_back)
        assert await status_of(pool, held) == "running"
        leave.set()
        await becomes(pool, astray, "success")


async def test_so_are_requests_for_a_threads_state(pool: Pool, bus: Bus, settings: Settings) -> None:
    await pool.execute("INSERT INTO threads (thread_id) VALUES ('t')")
    await pool.execute(
        "INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, deadline_at)"
        " VALUES ($1, 'default', 't', 'g', 'get', '', now() + interval '1 hour')",
        new_uuid(),
    )
    life = Registration(pool, settings)
    await life.enter(["g"], 1)
    settings = settings.model_copy(update={"lease": timedelta(0)})
    graphs = Graphs({"g": side_by_side(node=lambda _: {})})
    lane = StateLane(settings, life.worker_id, 1, graphs, cast(Pool, Unheard(pool)), bus)
    async with asyncio.TaskGroup() as group:
        group.create_task(lane.run())
        try:
            await until(lambda: pool.fetchval("SELECT status = 'done' FROM state_requests"))
        finally:
            lane.drain()
