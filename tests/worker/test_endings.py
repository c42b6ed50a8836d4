"""Endings are one transaction, for the holder of the claim: a former owner changes nothing (I3)."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from runwire.api.dispatch.v1.runs_pb2 import Webhook
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.claims import ClaimedRun, Claims, Ending, LoggedEvents
from runwire.worker.registration import Registration

_WEBHOOK = Webhook(url="https://receiver.example/hook").SerializeToString()
_ENDING = Ending(status="success", output='{"count": 1}', values='{"count": 1}')


class Unheard:
    """A pool that does what it is asked, and whose answer to an ending is lost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def execute(self, *args: Any) -> Any:
        return await self._pool.execute(*args)

    async def fetch(self, *args: Any) -> Any:
        return await self._pool.fetch(*args)

    async def fetchrow(self, *args: Any) -> Any:
        await self._pool.fetchrow(*args)
        raise ConnectionResetError


async def _insert_run(pool: Pool, *, ready: bool, run_id: UUID | None = None) -> UUID:
    run_id = run_id or uuid4()
    await pool.execute(
        "INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, webhook, created_at)"
        " VALUES ($1, 't', 'a', 1, 'g', $3, now(), '', '', $2, now())",
        run_id,
        _WEBHOOK,
        ready,
    )
    return run_id


async def _worker(pool: Pool, settings: Settings) -> Claims:
    life = Registration(pool, settings)
    await life.enter(["g"], 1)
    return Claims(pool, life.worker_id, 1, settings.run_timeout, settings.max_attempts)


async def _state(pool: Pool, run_id: UUID) -> list[Any]:
    return [
        await pool.fetch("SELECT * FROM runs WHERE run_id = $1", run_id),
        await pool.fetch("SELECT * FROM threads"),
        await pool.fetch("SELECT * FROM run_events"),
        await pool.fetch("SELECT * FROM webhook_deliveries"),
    ]


@pytest.fixture
async def taken_over(pool: Pool, settings: Settings) -> tuple[tuple[Claims, ClaimedRun], tuple[Claims, ClaimedRun]]:
    """One run as two workers hold it: the one that was declared dead, and the one that has it now."""
    await pool.execute("INSERT INTO threads (thread_id) VALUES ('t')")
    await _insert_run(pool, ready=True)
    former = await _worker(pool, settings)
    [before] = (await former.claim(["g"], 1)).runs
    await pool.execute("UPDATE workers SET heartbeat_at = now() - interval '1 hour'")
    await pool.fetch("SELECT * FROM reap_dead_workers(10)")
    owner = await _worker(pool, settings)
    [after] = (await owner.claim(["g"], 1)).runs
    return (former, before), (owner, after)


async def test_a_run_that_nobody_cancelled_does_not_end_as_cancelled(pool: Pool, taken_over: Any) -> None:
    _, (owner, after) = taken_over
    state = await _state(pool, after.run_id)
    assert (await owner.finish(after, Ending(status="cancelled"), None)).outcome == "stale"
    assert await _state(pool, after.run_id) == state


async def test_a_former_owner_can_not_end_the_run(pool: Pool, taken_over: Any) -> None:
    (former, before), _ = taken_over
    state = await _state(pool, before.run_id)
    finished = await former.finish(before, _ENDING, LoggedEvents(1, 1, b"late"))
    assert finished.outcome == "stale"
    assert await _state(pool, before.run_id) == state


async def test_a_former_owner_can_not_give_the_run_back(pool: Pool, taken_over: Any) -> None:
    (former, before), _ = taken_over
    state = await _state(pool, before.run_id)
    assert await former.release(before, use_up=True) is None
    assert await _state(pool, before.run_id) == state


async def test_the_owner_ends_the_run_and_owes_its_webhook_once(pool: Pool, taken_over: Any) -> None:
    (former, before), (owner, after) = taken_over
    finished = await owner.finish(after, _ENDING, LoggedEvents(1, 1, b"end"))
    assert finished.outcome == "finished"
    await former.finish(before, _ENDING, None)
    assert await pool.fetchval("SELECT count(*) FROM webhook_deliveries") == 1


async def test_the_threads_next_run_is_ready_even_if_nobody_hears_of_the_ending(pool: Pool, settings: Settings) -> None:
    await pool.execute("INSERT INTO threads (thread_id) VALUES ('t')")
    await _insert_run(pool, ready=True)
    following = await _insert_run(pool, ready=False)
    owner = await _worker(Unheard(pool), settings)
    [run] = (await owner.claim(["g"], 1)).runs
    with pytest.raises(ConnectionResetError):
        await owner.finish(run, _ENDING, None)
    assert await pool.fetchval("SELECT ready FROM runs WHERE run_id = $1", following)
