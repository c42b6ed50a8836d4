"""Threads that Dispatch makes on the way live as long as those that Resource is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2
from runwire.core.expiry import InvalidExpiry
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch.__main__ import running
from tests.dispatch.conftest import Dispatch, stubs
from tests.dispatch.factories import a_run, make_assistant, make_thread

CREATE_THREAD = runs_pb2.IF_THREAD_MISSING_CREATE
KEEP = runs_pb2.ON_COMPLETION_KEEP
Life = tuple[str | None, timedelta | None]
HALF_AN_HOUR: Life = ("keep_latest", timedelta(minutes=30))
FOR_EVER: Life = (None, None)


@pytest.fixture
async def expiring(settings: Settings, pool: Pool, tmp_path: Path) -> AsyncIterator[Dispatch]:
    """A Dispatch whose langgraph.json says how long threads live."""
    file = tmp_path / "langgraph.json"
    file.write_text('{"graphs": {}, "checkpointer": {"ttl": {"strategy": "keep_latest", "default_ttl": 30}}}')
    await make_assistant(pool)
    async with (
        running(settings.model_copy(update={"graphs": file})) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield stubs(channel)


async def life(pool: Pool, thread_id: str) -> Life:
    """The strategy and the length of a thread's time to live, which the sweeper goes by."""
    row = await pool.fetchrow(
        "SELECT ttl_strategy, ttl, updated_at, expires_at FROM threads WHERE thread_id = $1", thread_id
    )
    assert (row["expires_at"] - row["updated_at"] if row["expires_at"] else None) == row["ttl"]
    return row["ttl_strategy"], row["ttl"]


@pytest.mark.parametrize("fields", [{"thread_id": "new", "if_thread_missing": CREATE_THREAD}, {"on_completion": KEEP}])
async def test_a_thread_made_with_a_run_gets_the_default(
    expiring: Dispatch, pool: Pool, fields: dict[str, Any]
) -> None:
    created = await expiring.runs.CreateRun(a_run(**fields))
    assert await life(pool, created.run.thread_id) == HALF_AN_HOUR


async def test_threads_made_with_a_batch_get_the_default(expiring: Dispatch, pool: Pool) -> None:
    requests = [a_run(thread_id=name, if_thread_missing=CREATE_THREAD) for name in ("a", "b", "a")]
    await expiring.runs.BatchCreateRuns(runs_pb2.BatchCreateRunsRequest(requests=requests))
    assert [await life(pool, name) for name in ("a", "b")] == [HALF_AN_HOUR] * 2


async def test_a_thread_that_is_there_keeps_its_own(expiring: Dispatch, pool: Pool) -> None:
    await make_thread(pool, "old")
    await expiring.runs.CreateRun(a_run(thread_id="old", if_thread_missing=CREATE_THREAD))
    assert await life(pool, "old") == FOR_EVER


async def test_a_crons_own_thread_gets_the_default(expiring: Dispatch, pool: Pool) -> None:
    request = a_run(thread_id="daily", if_thread_missing=CREATE_THREAD)
    await expiring.crons.CreateCron(crons_pb2.CreateCronRequest(schedule="0 0 * * *", run=request))
    assert await life(pool, "daily") == HALF_AN_HOUR


async def test_a_thread_made_by_a_tick_gets_the_default(
    expiring: Dispatch, pool: Pool, soon: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
) -> None:
    request = crons_pb2.CreateCronRequest(schedule="* * * * * *", run=a_run(on_completion=KEEP))
    await expiring.crons.CreateCron(request)
    made = await soon(lambda: pool.fetchval("SELECT thread_id FROM runs WHERE thread_id IS NOT NULL LIMIT 1"))
    assert await life(pool, made) == HALF_AN_HOUR


async def test_a_run_without_a_thread_makes_none(expiring: Dispatch, pool: Pool) -> None:
    await expiring.runs.CreateRun(a_run())
    assert await pool.fetchval("SELECT count(*) FROM threads") == 0


async def test_without_a_default_threads_stay(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await dispatch.runs.CreateRun(a_run(thread_id="new", if_thread_missing=CREATE_THREAD))
    assert await life(pool, "new") == FOR_EVER


async def test_a_default_that_can_not_be_used_keeps_dispatch_from_starting(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text('{"checkpointer": {"ttl": {"default_ttl": -1}}}')
    with pytest.raises(InvalidExpiry, match=r"checkpointer\.ttl\.default_ttl"):
        async with running(settings.model_copy(update={"graphs": file})):
            pass
