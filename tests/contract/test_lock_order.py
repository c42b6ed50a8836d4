"""Whoever locks several rows does it in one order, so that no two statements wait for one another.

Every statement and function that changes or locks rows means one by its key, says in which order it takes several, or
passes over those that others hold; what does none of it is named here, with the reason. Those that meet on runs,
threads and state requests run while another session holds one of the rows: they wait there, and have taken none of
the later ones.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.dispatch import clockwork, runs
from runwire.resource import assistants, threads
from runwire.worker import claims, outbox, registration, thread_state
from tests.contract.test_tenant_filters import statements_and_functions
from tests.harness.waiting import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_HELD = "of threads whose locks are held"

WITHOUT: Mapping[str, str] = {
    "core.checkpoint_upkeep.delete_threads": _HELD,
    "core.checkpoint_upkeep.sweep": _HELD,
    "resource.pruning.count_anew": _HELD,
    "resource.threads.delete_threads": _HELD,
    "worker.registration.beat": "one row, that of the worker itself",
    "worker.registration.unregister_worker": "one row, that of the worker itself",
    "settle_webhook_of_removed_run": "the deliveries of one run, whose lock is held",
}

_CHANGES = re.compile(
    r"\bFOR (?:NO KEY |KEY )?(?:UPDATE|SHARE)\b|\bUPDATE \w+(?: AS)?(?: \w+)?\s+SET\b|\bDELETE FROM\b"
)
_BY_KEY = re.compile(r"\b(?:run|thread|assistant|cron|request|delivery)_id = (?:\$\d|p_)|\bkey = \$\d")
_IN_ORDER = re.compile(r"\bORDER BY\b|\bSKIP LOCKED\b")
# Called for each row of a query, they lock what they are called for.
_FOR_EACH = re.compile(r"\b(?:cancel_run|release_run|finish_run|remove_state_request)\(\w+\.")


def _may_meet_itself(text: str) -> bool:
    code = re.sub(r"--.*", "", text)
    one = _BY_KEY.search(code)
    return not _IN_ORDER.search(code) and bool(_FOR_EACH.search(code) or (_CHANGES.search(code) and not one))


async def test_every_statement_and_function_that_locks_several_rows_says_in_which_order(pool: Pool) -> None:
    texts = await statements_and_functions(pool)
    assert {name for name, text in texts if _may_meet_itself(text)} == set(WITHOUT)


# In the order of the locks, which is neither that of creation nor that of the ids.
_THREADS = ("A", "b", "c")
_THREADLESS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """What is locked together: a run or a state request, and its thread."""

    table: str
    key: UUID
    thread_id: str | None

    async def lock(self, connection: Connection) -> None:
        """LockNotAvailableError when somebody else has a lock on it."""
        if self.thread_id is not None:
            await connection.execute(
                "SELECT FROM threads WHERE thread_id = $1 FOR NO KEY UPDATE NOWAIT", self.thread_id
            )
        name = "run_id" if self.table == "runs" else "request_id"
        await connection.execute(f"SELECT FROM {self.table} WHERE {name} = $1 FOR UPDATE NOWAIT", self.key)


@dataclass(frozen=True, slots=True)
class World:
    """Rows in the order of their locks: running runs of one worker, on threads and without, and its state requests."""

    worker_id: UUID
    runs: Sequence[Place]
    requests: Sequence[Place]

    @property
    def run_ids(self) -> list[UUID]:
        """As they were created."""
        return sorted(place.key for place in self.runs)


@pytest.fixture
async def world(pool: Pool) -> World:
    """Rows that lie in the table in the opposite order."""
    worker_id = new_uuid()
    await pool.execute(
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease, heartbeat_at)"
        " VALUES ($1, 'host', '0', ARRAY['g'], 32, interval '1 hour', now() - interval '1 day')",
        worker_id,
    )
    running, requests = [], []
    for thread_id in (*reversed(_THREADS), *[None] * _THREADLESS):
        run_id, request_id = new_uuid(), new_uuid()
        if thread_id is not None:
            await pool.execute("INSERT INTO threads (thread_id, assistant_id) VALUES ($1, 'a')", thread_id)
            await pool.execute(
                "INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, status, worker_id,"
                " executor, deadline_at) VALUES ($1, 'default', $2, 'g', 'update', '', 'running', $3, 1,"
                " now() - interval '1 hour')",
                request_id,
                thread_id,
                worker_id,
            )
            requests.append(Place("state_requests", request_id, thread_id))
        await pool.execute(
            "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, status, worker_id,"
            " executor, claim, due_at, request, request_digest, created_at)"
            " VALUES ($1, $2, 'a', 1, 'g', 'running', $3, 1, 1, clock_timestamp(), '', '', clock_timestamp())",
            run_id,
            thread_id,
            worker_id,
        )
        running.append(Place("runs", run_id, thread_id))
    of_threads, of_none = running[: len(_THREADS)], running[len(_THREADS) :]
    return World(worker_id, [*reversed(of_threads), *reversed(of_none)], requests[::-1])


def _batches(world: World) -> tuple[Any, ...]:
    ones = [1] * len(world.runs)
    return ["default"] * len(ones), world.run_ids, ones, ones, ones, [b"x"] * len(ones)


OF_RUNS: Mapping[str, tuple[str, Any]] = {
    "log": (outbox.SQL["log_events"], _batches),
    "cancel": (runs._SQL["cancel_listed"], lambda world: ("default", world.run_ids, "interrupt", None)),
    "cancel of an assistant": (assistants._SQL["cancel_runs"], lambda _: ("default", "a")),
    "an executor is gone": (registration.SQL["release_runs"], lambda world: (world.worker_id, None, False)),
    "strays": (claims.SQL["release_strays"], lambda world: (world.worker_id, 1, [], [], [])),
    "a worker is dead": (clockwork._SQL["reap"], lambda _: (1,)),
}
OF_THREADS: Mapping[str, tuple[str, Any]] = {
    "delete the runs of threads": (threads._SQL["delete_runs"], lambda _: ("default", list(_THREADS))),
    "delete threads": (threads._SQL["lock_threads"], lambda _: ("default", list(_THREADS))),
    "delete an assistant's threads": (threads._SQL["lock_threads_of_assistant"], lambda _: ("default", "a")),
}
OF_REQUESTS: Mapping[str, tuple[str, Any]] = {
    "an executor is gone": (registration.SQL["release_state_requests"], lambda world: (world.worker_id, None)),
    "strays": (thread_state.SQL["release_stray_state_requests"], lambda world: (world.worker_id, 1, [])),
    "nobody waits any more": (clockwork._SQL["remove_expired_questions"], lambda _: (100,)),
    "delete threads": (threads._SQL["delete_state_requests"], lambda _: ("default", list(_THREADS))),
}


@asynccontextmanager
async def _undone(pool: Pool) -> AsyncIterator[Connection]:
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection
        finally:
            await transaction.rollback()


async def _held_up(pool: Pool, connection: Connection) -> None:
    """Returns once its statement waits for a lock."""
    waits = "SELECT cardinality(pg_blocking_pids($1)) > 0"
    await until(lambda: pool.fetchval(waits, connection.get_server_pid()))


async def _takes_in_order(pool: Pool, places: Sequence[Place], statement: str, values: Sequence[Any]) -> None:
    for number, place in enumerate(places):
        async with _undone(pool) as holder, _undone(pool) as taker:
            await place.lock(holder)
            # As they lie in the table, unless the statement says in which order.
            await taker.execute("SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off")
            taking = asyncio.create_task(taker.fetch(statement, *values))
            await _held_up(pool, taker)
            async with _undone(pool) as third:
                for later in places[number + 1 :]:
                    await later.lock(third)
            await holder.execute("ROLLBACK; BEGIN")
            await taking


@pytest.mark.parametrize("name", OF_RUNS)
async def test_runs_are_locked_in_one_order(pool: Pool, world: World, name: str) -> None:
    statement, values = OF_RUNS[name]
    await _takes_in_order(pool, world.runs, statement, values(world))


@pytest.mark.parametrize("name", OF_THREADS)
async def test_threads_and_their_runs_are_locked_in_one_order(pool: Pool, world: World, name: str) -> None:
    statement, values = OF_THREADS[name]
    await _takes_in_order(pool, world.runs[: len(_THREADS)], statement, values(world))


@pytest.mark.parametrize("name", OF_REQUESTS)
async def test_state_requests_are_locked_in_one_order(pool: Pool, world: World, name: str) -> None:
    statement, values = OF_REQUESTS[name]
    await _takes_in_order(pool, world.requests, statement, values(world))


async def test_a_cancel_of_many_and_a_write_of_their_events_that_meet_are_both_done(pool: Pool, world: World) -> None:
    statement, values = OF_RUNS["cancel"]
    async with _undone(pool) as holder, pool.acquire() as cancelling, pool.acquire() as logging:
        # The run alone: whoever comes first for it is the first to have it.
        await holder.execute("SELECT FROM runs WHERE run_id = $1 FOR UPDATE", world.runs[0].key)
        cancelled = asyncio.create_task(cancelling.fetch(statement, *values(world)))
        await _held_up(pool, cancelling)
        logged = asyncio.create_task(logging.execute(outbox.SQL["log_events"], *_batches(world)))
        await _held_up(pool, logging)
        await holder.execute("ROLLBACK; BEGIN")
        assert (len(await cancelled), await logged) == (len(world.runs), f"INSERT 0 {len(world.runs)}")
