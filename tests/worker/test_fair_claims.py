"""Claims take turns between tenants, and what waits in a lane costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.worker.claims import SQL, ClaimedRun, Claims
from runwire.worker.thread_state import SQL as STATE

SLOTS = 32
HOUR = timedelta(hours=1)
# Of due runs, to find out whether they are few.
LOOKED_AT = 100


@pytest.fixture
async def worker_id(pool: Pool) -> UUID:
    """A worker that serves `g` and `h`."""
    made = new_uuid()
    await pool.execute(
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease)"
        " VALUES ($1, 'host', '0', ARRAY['g', 'h'], 32, interval '1 hour')",
        made,
    )
    return made


@pytest.fixture
def claims(pool: Pool, worker_id: UUID) -> Claims:
    """Its statements."""
    return Claims(pool, worker_id, 1, HOUR, 3)


async def queue(
    pool: Pool, tenant: str, count: int, *, graph: str = "g", due_in: timedelta = timedelta()
) -> list[UUID]:
    """Ready runs, each on a thread of its own; in the order of their creation."""
    rows = await pool.fetch(
        "INSERT INTO runs (tenant, run_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, created_at)"
        " SELECT $1, gen_random_uuid(), 'a', 1, $2, true, clock_timestamp() + $3, '', '', clock_timestamp()"
        " FROM generate_series(1, $4::int) RETURNING run_id",
        tenant,
        graph,
        due_in,
        count,
    )
    return [row["run_id"] for row in rows]


def tenants(runs: Any) -> Counter[str]:
    """How many runs of each tenant."""
    return Counter(run.tenant for run in runs)


async def claim(claims: Claims, limit: int = SLOTS, *graphs: str) -> list[ClaimedRun]:
    """The runs of one claim."""
    return list((await claims.claim(graphs or ["g", "h"], limit)).runs)


async def test_one_run_behind_a_flood_is_in_the_next_claim(pool: Pool, claims: Claims) -> None:
    await queue(pool, "flood", 5000)
    await queue(pool, "small", 1)
    assert tenants(await claim(claims)) == {"flood": SLOTS - 1, "small": 1}


async def test_slots_are_shared_evenly(pool: Pool, claims: Claims) -> None:
    for tenant in ("a", "b", "c", "d"):
        await queue(pool, tenant, 100)
    assert tenants(await claim(claims)) == {"a": 8, "b": 8, "c": 8, "d": 8}


async def test_whoever_holds_less_of_the_worker_comes_first(pool: Pool, claims: Claims) -> None:
    await queue(pool, "flood", 100)
    assert len(await claim(claims, 20)) == 20
    await queue(pool, "late", 100)
    assert tenants(await claim(claims, 12)) == {"late": 12}
    assert tenants(await claim(claims, 16)) == {"flood": 4, "late": 12}


async def test_whoever_holds_much_waits_also_with_no_more_slots_than_tenants(pool: Pool, claims: Claims) -> None:
    await queue(pool, "flood", 20)
    assert len(await claim(claims, 8)) == 8
    await queue(pool, "late", 5)
    assert tenants(await claim(claims, 2)) == {"late": 2}


async def test_with_one_slot_nobody_waits_for_ever(pool: Pool, claims: Claims) -> None:
    await queue(pool, "flood", 200)
    await queue(pool, "small", 1)
    for _ in range(64):
        [run] = await claim(claims, 1)
        if run.tenant == "small":
            return
        await pool.execute(
            "UPDATE runs SET status = 'success', worker_id = NULL, finished_at = now() WHERE run_id = $1", run.run_id
        )
    pytest.fail("64 lots out of two, and never the other one")


async def test_within_a_tenant_the_longest_due_goes_first_whatever_its_graph(pool: Pool, claims: Claims) -> None:
    first = await queue(pool, "default", 3, graph="h")
    second = await queue(pool, "default", 3, graph="g")
    third = await queue(pool, "default", 3, graph="h")
    assert {run.run_id for run in await claim(claims, 4)} == {*first, second[0]}
    assert {run.run_id for run in await claim(claims, 4)} == {*second[1:], *third[:2]}


async def test_more_tenants_than_slots_get_one_slot_each(pool: Pool, claims: Claims) -> None:
    for number in range(SLOTS + 8):
        await queue(pool, f"t{number}", 3)
    shares = tenants(await claim(claims))
    assert len(shares) == SLOTS
    later = tenants(await claim(claims, 8))
    assert later.keys().isdisjoint(shares)


async def test_delayed_runs_have_no_turn(pool: Pool, claims: Claims) -> None:
    for number in range(SLOTS + 8):
        await queue(pool, f"t{number}", 1, due_in=HOUR)
    await queue(pool, "flood", 100)
    assert tenants(await claim(claims)) == {"flood": SLOTS}


@pytest.fixture
async def elsewhere(pool: Pool) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Another worker's transaction."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


async def _lock(connection: asyncpg.Connection[asyncpg.Record], tenant: str, count: int) -> None:
    await connection.execute(
        "SELECT FROM runs WHERE tenant = $1 AND ready ORDER BY due_at, position LIMIT $2 FOR UPDATE", tenant, count
    )


async def test_what_others_have_locked_is_passed_over_within_the_lane(
    pool: Pool, claims: Claims, elsewhere: asyncpg.Connection[asyncpg.Record]
) -> None:
    flood = await queue(pool, "flood", 40)
    await queue(pool, "small", 40)
    await _lock(elsewhere, "flood", 10)
    runs = await claim(claims, 8)
    assert {run.run_id for run in runs if run.tenant == "flood"} == set(flood[10:14])


async def test_a_claim_says_when_others_took_what_was_meant_for_it(
    pool: Pool, claims: Claims, elsewhere: asyncpg.Connection[asyncpg.Record]
) -> None:
    await queue(pool, "flood", 100)
    await queue(pool, "small", 4)
    await _lock(elsewhere, "small", 4)
    taken = await claims.claim(["g"], 8)
    assert (tenants(taken.runs), taken.more) == ({"flood": 4}, True)


async def test_a_claim_of_all_there_is_says_that_there_is_no_more(pool: Pool, claims: Claims) -> None:
    assert not (await claims.claim(["g"], 8)).more
    await queue(pool, "flood", 2)
    assert not (await claims.claim(["g"], 8)).more
    await queue(pool, "flood", 2)
    await queue(pool, "small", 2)
    assert not (await claims.claim(["g"], 8)).more


async def _read(pool: Pool, worker_id: UUID) -> int:
    """How many entries of the indexes of ready runs a claim reads; and undoes it."""
    counted = (
        "SELECT pg_stat_get_xact_tuples_returned('runs_ready'::regclass)"
        " + pg_stat_get_xact_tuples_returned('runs_due'::regclass)"
    )
    async with pool.acquire() as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        undone = connection.transaction()
        await undone.start()
        before: int = await connection.fetchval(counted)
        await connection.fetch(SQL["claim_runs"], worker_id, 1, ["g", "h"], SLOTS, HOUR, 3)
        after: int = await connection.fetchval(counted)
        await undone.rollback()
    return after - before


async def test_a_claim_reads_the_same_behind_a_flood_of_a_hundred_thousand_ready_runs(
    pool: Pool, worker_id: UUID
) -> None:
    await queue(pool, "flood", 1000)
    await queue(pool, "small", 1)
    await pool.execute("VACUUM ANALYZE runs")
    few = await _read(pool, worker_id)
    await queue(pool, "flood", 95_000)
    # Of a graph that this worker does not serve.
    await queue(pool, "flood", 5_000, graph="x")
    await pool.execute("VACUUM ANALYZE runs")
    many = await _read(pool, worker_id)
    assert SLOTS <= few <= 3 * SLOTS + LOOKED_AT
    assert many <= few * 1.2


async def test_a_claim_of_one_tenant_reads_what_it_takes(pool: Pool, worker_id: UUID) -> None:
    await queue(pool, "default", 10_000)
    await pool.execute("VACUUM ANALYZE runs")
    assert SLOTS <= await _read(pool, worker_id) - LOOKED_AT <= SLOTS + 4


async def test_a_claim_reads_nothing_of_lanes_in_which_nothing_is_due(pool: Pool, worker_id: UUID) -> None:
    await queue(pool, "small", 1)
    await pool.execute(
        "INSERT INTO runs (tenant, run_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, created_at)"
        " SELECT 't' || n, gen_random_uuid(), 'a', 1, CASE n % 2 WHEN 0 THEN 'g' ELSE 'x' END, true,"
        " now() + interval '1 day', '', '', now() FROM generate_series(1, 2000) n"
    )
    await pool.execute("VACUUM ANALYZE runs")
    assert await _read(pool, worker_id) <= 4


async def test_tenants_are_found_behind_a_flood_of_another_graph(pool: Pool, claims: Claims) -> None:
    await queue(pool, "flood", 5 * LOOKED_AT)
    await queue(pool, "small", 1, graph="h")
    assert tenants(await claim(claims)) == {"flood": SLOTS - 1, "small": 1}


async def test_one_state_request_behind_a_flood_is_answered_soon(pool: Pool, worker_id: UUID) -> None:
    await pool.execute("INSERT INTO threads (tenant, thread_id) VALUES ('flood', 't'), ('small', 't')")
    await pool.execute(
        "INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, deadline_at)"
        " SELECT gen_random_uuid(), CASE n WHEN 61 THEN 'small' ELSE 'flood' END, 't', 'g', 'get', '',"
        " now() + interval '1 hour' FROM generate_series(1, 61) n"
    )
    # 40 lots out of two.
    rows = [await pool.fetchrow(STATE["claim_state_request"], worker_id, 1, ["g"]) for _ in range(40)]
    assert "small" in {row["tenant"] for row in rows}
