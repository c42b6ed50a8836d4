"""A worker whose way to Postgres breaks: it comes back by itself, and what it did not hear of is not lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runwire.api.dispatch.v1.thread_state_pb2 import ThreadState
from runwire.api.type.v1 import run_pb2
from runwire.core.postgres import Pool
from runwire.embedded import Servers
from tests.faults.proxy import Link
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import Platform, new_thread, status
from tests.harness.waiting import until
from tests.harness.workers import WorkerProcess, crew_of
from tests.system.test_ownership import noted
from tests.system.test_state import state_at


@dataclass(frozen=True, slots=True)
class Far:
    """A platform whose only worker is on the other side of a link."""

    platform: Platform
    worker: WorkerProcess
    link: Link


@pytest.fixture
async def far(servers: Servers, tmp_path: Path) -> AsyncIterator[Far]:
    """A worker process that reaches Postgres by way of a link."""
    async with fresh_database(servers) as uri:
        spans = {"lease": 3, "drain_timeout": 0.3, "cancel_grace": 0.7}
        settings = system_settings(
            uri, servers.redis_uri, **{name: timedelta(seconds=seconds) for name, seconds in spans.items()}
        )
        link = await Link("postgres", "127.0.0.1", urlsplit(uri).port or 0).open()
        try:
            async with (
                serving(settings) as platform,
                crew_of(settings.model_copy(update={"database_uri": link.uri(uri)}), tmp_path) as crew,
            ):
                (worker,) = await crew.of(1)
                yield Far(platform, worker, link)
                link.calm()
        finally:
            await link.close()


async def test_a_worker_that_lost_its_lease_without_postgres_begins_anew(far: Far) -> None:
    far.link.weather.refuse = True
    far.link.reset(lambda: True)
    await until(lambda: _said(far.worker, "life_failed"), within=30)
    far.link.calm()
    run = await far.platform.create("steps", {"count": 0}, thread=new_thread())
    assert status(await far.platform.finish(run.run_id)) == "success"
    assert far.worker.is_running


async def test_a_worker_that_drains_without_postgres_ends_without_an_error(far: Far, tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    work = {"count": 1000, "delay": 0.05, "journal": str(journal)}
    # Each of them may be about to try again when the pool is closed.
    for _ in range(8):
        await far.platform.create("steps", work, thread=new_thread())
    await until(lambda: noted(journal, "step1"))
    far.link.weather.refuse = True
    far.link.reset(lambda: True)
    far.worker.drain()
    await far.worker.ended()
    # gRPC's own lines are no records.
    lines = far.worker.log.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    assert [record for record in records if record["level"] in ("ERROR", "CRITICAL")] == []


async def _said(worker: WorkerProcess, action: str) -> bool:
    return action in worker.log.read_text()


async def _waiting_since(pool: Pool, statement: str) -> datetime | None:
    """When a statement began that waits for a lock."""
    waiting = "SELECT query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1"
    began: datetime | None = await pool.fetchval(waiting, f"%{statement}%")
    return began


async def _lose_the_answer_of_a_claim(far: Far) -> run_pb2.Run:
    """The run of a claim that is committed, and whose worker does not hear of it."""
    pool = far.platform.pool
    while True:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM workers FOR UPDATE")
            run = await far.platform.create("steps", {"count": 0}, thread=new_thread())
            began = await until(lambda: _waiting_since(pool, "owner AS"))
            assert began is not None
            # A look of the worker's own accord, from before the run was there, does not see it.
            if began > run.create_time.ToDatetime(UTC):
                far.link.weather.loses_answer = lambda: True
                return run
        await far.platform.finish(run.run_id)


async def test_a_claim_whose_answer_was_lost_is_given_back(far: Far) -> None:
    worker_id = far.worker.worker_id
    run = await _lose_the_answer_of_a_claim(far)

    async def claimed() -> bool:
        return (await far.platform.get(run.run_id)).attempts == 1

    await until(claimed)
    far.link.calm()
    done = await far.platform.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 1)
    await far.worker.is_ready()
    assert far.worker.worker_id == worker_id


async def _lose_the_answer_of_a_state_claim(far: Far, thread: str) -> asyncio.Task[ThreadState]:
    """A question that was claimed, and whose worker does not hear of it."""
    pool = far.platform.pool
    while True:
        # A claim is prepared by the first that is made on a connection.
        await state_at(far.platform, thread)
        async with pool.acquire() as connection, connection.transaction():
            # The claim reads runs, and asking does not.
            await connection.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(state_at(far.platform, thread))
            await until(lambda: pool.fetchval("SELECT count(*) FROM state_requests"))
            await until(lambda: _waiting_since(pool, "UPDATE state_requests"))
            far.link.weather.loses_answer = lambda: True
        # On another connection than that, what was lost is the answer of preparing.
        with suppress(TimeoutError):
            await until(lambda: pool.fetchval("SELECT status = 'running' FROM state_requests"), within=1)
            return asking
        far.link.calm()
        await asking


async def test_a_state_request_whose_claim_was_not_heard_of_is_answered(far: Far) -> None:
    thread = new_thread()
    await far.platform.run("choice", {"log": []}, thread=thread)
    worker_id = far.worker.worker_id
    asking = await _lose_the_answer_of_a_state_claim(far, thread)
    far.link.calm()
    assert (await asking).values.text
    await far.worker.is_ready()
    assert far.worker.worker_id == worker_id
