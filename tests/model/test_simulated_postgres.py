"""The simulated statements do what the real ones do."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from runwire.core import sql
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import Pool
from runwire.stream import log, thread_log
from runwire.worker import claims, outbox
from runwire.worker.claims import LoggedEvents
from tests.model.simulated_postgres import RunRow, SimulatedPostgres, moment
from tests.model.virtual_loop import VirtualLoop
from tests.model.weather import Weather

_LOG = sql.load(log.__file__)
_THREAD_LOG = sql.load(thread_log.__file__)
_INSERT = """
INSERT INTO runs (run_id, assistant_id, assistant_version, graph_id, status, worker_id, claim, began_at, due_at,
    request, request_digest, created_at)
VALUES ($1, 'a', 1, 'g', 'running', gen_random_uuid(), 1, now(), now(), '', '', now())
"""
_BATCH = ("batch_claim", "first_seq", "last_seq", "events", "found", "status", "claim", "has_begun", "events_expired")


def _simulated(run_id: UUID) -> tuple[SimulatedPostgres, RunRow]:
    made = SimulatedPostgres(VirtualLoop(random.Random(0)), random.Random(0), Weather())
    run = made.runs[run_id] = RunRow(run_id, status="running", claim=1, began_at=0.0)
    return made, run


def _columns(rng: random.Random, run_id: UUID) -> list[list[Any]]:
    """A log write: the batches that an outbox might send, under a claim that may be over."""
    first, claim, rows = rng.randint(1, 12), rng.choice([1, 1, 2]), []
    for _ in range(rng.randint(1, 3)):
        last = first + rng.randint(0, 3)
        rows.append((DEFAULT_TENANT, run_id, claim, first, last, bytes(rng.randint(1, 40))))
        first = last + 1
    return [list(column) for column in zip(*rows, strict=True)]


async def _compare(pool: Pool, simulated: SimulatedPostgres, run_id: UUID, rng: random.Random) -> None:
    for _ in range(6):
        limits = (rng.choice([1, 30, 60, 1000]), rng.choice([1, 2, 3, 50]))
        arguments = (DEFAULT_TENANT, run_id, rng.randint(0, 3), rng.randint(0, 16), *limits)
        real = [tuple(row[name] for name in _BATCH) for row in await pool.fetch(_LOG["look"], *arguments)]
        assert real == [tuple(row[name] for name in _BATCH) for row in simulated.look(*arguments)], arguments
    newest = await pool.fetchrow(_LOG["newest_batch"], DEFAULT_TENANT, run_id)
    assert dict(newest) == simulated.newest_batch(DEFAULT_TENANT, run_id)


async def test_reading_and_writing_the_log_is_as_in_postgres(pool: Pool) -> None:
    for seed in range(12):
        rng, run_id = random.Random(seed), uuid4()
        await pool.execute(_INSERT, run_id)
        simulated, run = _simulated(run_id)
        for _ in range(rng.randint(0, 8)):
            columns = _columns(rng, run_id)
            await pool.execute(outbox.SQL["log_events"], *columns)
            simulated.log_events(*columns)
            if rng.random() < 0.2:
                await pool.execute("UPDATE runs SET claim = claim + 1 WHERE run_id = $1", run_id)
                run.claim += 1
            await _compare(pool, simulated, run_id, rng)
        last = LoggedEvents(rng.randint(1, 9), 20, b"last")
        batch = (last.first_seq, last.last_seq, last.events)
        ending = (DEFAULT_TENANT, None, "success", None, None, None, None, None, *batch)
        real = await pool.fetchval(claims.SQL["finish_run"], run_id, run.claim, *ending)
        assert real == simulated.finish(run_id, run.claim, "success", None, last)
        await _compare(pool, simulated, run_id, rng)


async def test_how_a_removed_run_ended_is_remembered_as_in_postgres(pool: Pool) -> None:
    for claim, status, finished_at in (
        (0, "pending", None),
        (0, "cancelled", 1.0),
        (1, "running", None),
        (1, "cancelled", 1.0),
        (2, "success", 1.0),
    ):
        run_id = uuid4()
        await pool.execute(_INSERT, run_id)
        await pool.execute(
            "UPDATE runs SET claim = $2, status = $3, finished_at = CASE WHEN $4 THEN now() END,"
            " worker_id = CASE WHEN $3 = 'running' THEN worker_id END WHERE run_id = $1",
            *(run_id, claim, status, finished_at is not None),
        )
        simulated, run = _simulated(run_id)
        run.claim, run.status, run.finished_at = claim, status, finished_at
        await pool.execute("DELETE FROM runs WHERE run_id = $1", run_id)
        simulated.remove(run)
        real = await pool.fetchval(_LOG["final_status_of_removed"], DEFAULT_TENANT, run_id)
        assert real == simulated.final_status_of_removed(DEFAULT_TENANT, run_id), (claim, status)


_INSERT_THREAD = "INSERT INTO threads (thread_id, created_at) VALUES ($1, now() - interval '1 second')"
_INSERT_OF_THREAD = """
INSERT INTO runs (run_id, thread_id, status, ready, began_at, finished_at, worker_id, claim, assistant_id,
    assistant_version, graph_id, due_at, request, request_digest, created_at)
VALUES ($1, $2, $3, $4, now() + $5::interval, now() + $6::interval, CASE WHEN $3 = 'running' THEN gen_random_uuid() END,
    1, 'a', 1, 'g', now(), '', '', now())
"""


def _queue(rng: random.Random, thread_id: str) -> list[RunRow]:
    """A thread's runs: some that ended, begun or not, perhaps one that is running or next, and some behind it.

    Their times are seconds from now, no two alike.
    """
    moments = iter(rng.sample([number / 10 for number in range(-60, 0)], 20))
    runs = []
    for _ in range(rng.randint(0, 6)):
        finished_at = next(moments)
        began_at = rng.choice([None, finished_at - 0.05])
        runs.append(RunRow(uuid4(), thread_id, status="cancelled", began_at=began_at, finished_at=finished_at))
    if rng.random() < 0.7:
        status = rng.choice(["running", "pending"])
        # What was given back has begun already.
        began_at = next(moments) if status == "running" or rng.random() < 0.4 else None
        runs.append(RunRow(uuid4(), thread_id, status=status, began_at=began_at))
        runs += [RunRow(uuid4(), thread_id) for _ in range(rng.randint(0, 2))]
    for run in runs:
        run.ready = run.status == "pending" and all(each.finished_at is not None for each in runs[: runs.index(run)])
    return runs


def _from_now(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with each time as seconds from their own now."""
    return [
        {
            name: (value - row["now"]).total_seconds() if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _interval(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


async def test_the_next_runs_of_a_thread_are_as_in_postgres(pool: Pool) -> None:
    for seed in range(60):
        rng, thread_id = random.Random(seed), f"thread {seed}"
        runs = _queue(rng, thread_id)
        simulated = SimulatedPostgres(VirtualLoop(random.Random(0)), random.Random(0), Weather())
        simulated.runs = {run.run_id: run for run in runs}
        # A transaction has one now.
        async with pool.acquire() as connection, connection.transaction():
            now: datetime = await connection.fetchval("SELECT now()")
            await connection.execute(_INSERT_THREAD, thread_id)
            for run in runs:
                times = _interval(run.began_at), _interval(run.finished_at)
                await connection.execute(_INSERT_OF_THREAD, run.run_id, thread_id, run.status, run.ready, *times)
            places = [run.place for run in runs if run.place is not None]
            for after in (None, -10.0, *places, 0.0):
                limit = rng.randint(1, 4)
                since = None if after is None else now + timedelta(seconds=after)
                real = await connection.fetch(_THREAD_LOG["next_runs"], DEFAULT_TENANT, thread_id, since, limit)
                same = simulated.next_runs(DEFAULT_TENANT, thread_id, None if after is None else moment(after), limit)
                assert _from_now([dict(row) for row in real]) == _from_now(same), (seed, after, limit)
            for run in runs:
                asked = (DEFAULT_TENANT, run.run_id, rng.choice([thread_id, "another"]))
                assert await connection.fetchval(_THREAD_LOG["is_of_thread"], *asked) == simulated.is_of_thread(*asked)
