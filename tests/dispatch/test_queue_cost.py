"""What the queue's statements cost does not grow with what is behind them: counted in rows and pages, never timed.

Every statement is executed as the product does it, on one database with more and more ballast: none, 100,000 and a
million finished runs, and then 10,000 runs queued on the thread at hand. The rows of every scan of the plan (EXPLAIN),
and those that Postgres counts on `runs` and its indexes (inside of functions too, with generic plans as processes have
them) stay within 20 % of what they are without ballast. The pages stay within 20 % of those at 100,000: the indexes of
an empty table are one page high, those of 100,000 and of a million rows three. Statements other than the claim may take
20 rows or pages more: versions that were undone a moment before lie in the way of those that change rows.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from runwire.api.type.v1 import run_pb2
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch import run_requests
from runwire.dispatch.clockwork import Clockwork
from runwire.dispatch.hints import Hints
from runwire.dispatch.runs_creation import RunCreation
from runwire.embedded import Servers
from runwire.worker.claims import ClaimedRun, Claims, Ending
from runwire.worker.registration import Registration
from tests.dispatch.ballast import DEEP, IDLE, finished_runs, queue, queued_runs
from tests.dispatch.factories import GRAPH, a_run, make_assistant
from tests.harness.databases import fresh_database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOLERANCE, UNDONE = 0.2, 20
CLAIMED = 10
FEW, MANY, QUEUED = 100_000, 1_000_000, 10_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one statement or several: rows by the plan's scans, rows and index entries read of `runs`, pages."""

    planned: float = 0
    read: float = 0
    pages: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.planned + other.planned, self.read + other.read, self.pages + other.pages)


class Counting:
    """A pool that counts what its statements cost."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.cost = Cost()

    async def fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """The statement's rows."""
        planned, pages = await self._explained(statement, *values)
        before = await self._read()
        rows: list[asyncpg.Record] = await self._connection.fetch(statement, *values)
        self.cost += Cost(planned, await self._read() - before, pages)
        return rows

    async def fetchrow(self, statement: str, *values: object) -> asyncpg.Record | None:
        """Its first row."""
        return next(iter(await self.fetch(statement, *values)), None)

    async def fetchval(self, statement: str, *values: object) -> Any:
        """The first value of it."""
        row = await self.fetchrow(statement, *values)
        return None if row is None else row[0]

    async def execute(self, statement: str, *values: object) -> None:
        """No rows."""
        await self.fetch(statement, *values)

    async def _explained(self, statement: str, *values: object) -> tuple[float, float]:
        undone = self._connection.transaction()
        await undone.start()
        text = await self._connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
        await undone.rollback()
        plan = json.loads(text)[0]["Plan"]
        rows = sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in _nodes(plan)
            if "Relation Name" in node
        )
        return rows, plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]

    async def _read(self) -> int:
        count: int = await self._connection.fetchval(
            "SELECT sum(pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_fetched(c.oid))::bigint"
            " FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid"
            " WHERE 'runs'::regclass IN (c.oid, i.indrelid)"
        )
        return count


def _nodes(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in _nodes(inner))]


@dataclass(frozen=True, slots=True)
class Parts:
    """What executes the statements, on a pool that counts."""

    settings: Settings
    bus: Bus
    worker_id: UUID
    run: ClaimedRun


Work = Callable[[Parts, Pool, Hints], Awaitable[object]]


def _claims(parts: Parts, pool: Pool) -> Claims:
    return Claims(pool, parts.worker_id, 1, timedelta(hours=1), 3)


async def _create(parts: Parts, pool: Pool, hints: Hints, thread_id: str, strategy: Any = None) -> object:
    request = a_run(thread_id=thread_id, multitask_strategy=strategy)
    return await RunCreation(pool, hints).one(DEFAULT_TENANT, run_requests.check(request, private_webhooks=True))


async def _refused(parts: Parts, pool: Pool, hints: Hints) -> None:
    with suppress(Exception):
        await _create(parts, pool, hints, DEEP, run_pb2.MULTITASK_STRATEGY_REJECT)


async def _beat(parts: Parts, pool: Pool, hints: Hints) -> None:
    life = Registration(pool, parts.settings)
    life.worker_id = parts.worker_id
    assert await life.beat() == []


STATEMENTS: Mapping[str, Work] = {
    "claim": lambda parts, pool, _: _claims(parts, pool).claim([GRAPH], CLAIMED),
    "finish, and pass the turn on": lambda p, pool, _: _claims(p, pool).finish(p.run, Ending(status="success"), None),
    "release": lambda parts, pool, _: _claims(parts, pool).release(parts.run, use_up=True),
    "heartbeat": _beat,
    "create behind a queue": lambda parts, pool, hints: _create(parts, pool, hints, DEEP),
    "create on an idle thread": lambda parts, pool, hints: _create(parts, pool, hints, IDLE),
    "create, refused": _refused,
    "look for dead workers": lambda parts, pool, _: Clockwork(pool, parts.bus, parts.settings).reap(),
    "look for late runs": lambda parts, pool, _: Clockwork(pool, parts.bus, parts.settings).wake_late_runs(),
    "look for due runs": lambda parts, pool, _: Clockwork(pool, parts.bus, parts.settings).wake_due_runs(),
    "look for old events": lambda parts, pool, _: Clockwork(pool, parts.bus, parts.settings).expire_events(),
}


@pytest.fixture(scope="module")
async def costs(servers: Servers) -> AsyncIterator[Mapping[str, Mapping[str, Cost]]]:
    """What each statement costs, by ballast: "empty", "few", "many" and "queued"."""
    async with fresh_database(servers) as uri:
        settings = Settings(database_uri=uri, redis_uri=servers.redis_uri, redis_prefix="queue_cost")
        async with (
            asyncpg.create_pool(uri, min_size=1, max_size=2) as pool,
            pool.acquire() as connection,
            Bus(settings) as bus,
            Hints(bus) as hints,
        ):
            await make_assistant(pool)
            worker_id, run = await queue(connection)
            parts = Parts(settings, bus, worker_id, run)
            yield {
                "empty": await _measured(connection, parts, hints),
                "few": await _measured(connection, parts, hints, finished=FEW),
                "many": await _measured(connection, parts, hints, finished=MANY - FEW),
                "queued": await _measured(connection, parts, hints, queued=QUEUED),
            }


async def _measured(
    connection: Any, parts: Parts, hints: Hints, *, finished: int = 0, queued: int = 0
) -> Mapping[str, Cost]:
    """Adds ballast, and counts; what the statements do is undone."""
    if finished:
        await finished_runs(connection, finished)
    if queued:
        await queued_runs(connection, DEEP, queued)
    await connection.execute("VACUUM ANALYZE runs")
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    # With nothing in the tables a sequential scan would be cheapest, and there would be nothing to compare.
    await connection.execute(f"SET enable_seqscan = {'on' if finished or queued else 'off'}")
    return {name: await _cost(connection, parts, hints, work) for name, work in STATEMENTS.items()}


async def _cost(connection: Any, parts: Parts, hints: Hints, work: Work) -> Cost:
    cost = Cost()
    # The first time, catalogs and plans are read as well.
    for _ in range(2):
        undone = connection.transaction()
        await undone.start()
        counting = Counting(connection)
        await work(parts, cast(Pool, counting), hints)
        await undone.rollback()
        cost = counting.cost
    return cost


def within(name: str, cost: float, base: float) -> bool:
    """Whether it is within the tolerance. Statements other than the claim may meet what was undone a moment before."""
    slack = 0 if name == "claim" else UNDONE
    return abs(cost - base) <= max(slack, TOLERANCE * base)


@pytest.mark.parametrize("ballast", ["many", "queued"])
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_costs_the_same_with_a_million_runs_behind_it(
    costs: Mapping[str, Mapping[str, Cost]], name: str, ballast: str
) -> None:
    cost, empty, few = (costs[database][name] for database in (ballast, "empty", "few"))
    assert within(name, cost.read, empty.read), (cost, empty)
    # Among few rows the planner may look at more of them than it has to, and does not mind.
    assert cost.planned <= empty.planned or within(name, cost.planned, empty.planned), (cost, empty)
    assert within(name, cost.planned, few.planned), (cost, few)
    assert within(name, cost.pages, few.pages), (cost, few)
