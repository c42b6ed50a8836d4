"""The simulated statements do what the real ones do."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID, uuid4

from runwire.core import sql
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import Pool
from runwire.stream import log
from runwire.worker import claims, outbox
from runwire.worker.claims import LoggedEvents
from tests.model.simulated_postgres import RunRow, SimulatedPostgres
from tests.model.virtual_loop import VirtualLoop
from tests.model.weather import Weather

_LOG = sql.load(log.__file__)
_INSERT = """
INSERT INTO runs (run_id, assistant_id, assistant_version, graph_id, status, worker_id, claim, due_at, request,
    request_digest, created_at)
VALUES ($1, 'a', 1, 'g', 'running', gen_random_uuid(), 1, now(), '', '', now())
"""
_BATCH = ("batch_claim", "first_seq", "last_seq", "events", "found", "status", "claim", "events_expired")


def _simulated(run_id: UUID) -> tuple[SimulatedPostgres, RunRow]:
    made = SimulatedPostgres(VirtualLoop(random.Random(0)), random.Random(0), Weather())
    run = made.runs[run_id] = RunRow(run_id, status="running", claim=1)
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
