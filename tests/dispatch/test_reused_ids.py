"""The id of a run that is gone: a creation that comes late, or twice, does not bring the run back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, end_run, make_assistant, make_thread, make_worker, start_run
from tests.harness.databases import held_up

CREATE = (
    "SELECT c.outcome FROM assistants a, create_run($1, 'default', $2, false, a.assistant_id, 1, $3::text,"
    " 'enqueue', '0', '', '', '{}', '{}', true) c"
)

threads = pytest.mark.parametrize("thread_id", ["t", ""], ids=["on a thread", "without one"])


@pytest.fixture(autouse=True)
async def thread(pool: Pool) -> None:
    """An assistant, and a thread named t."""
    await make_assistant(pool)
    await make_thread(pool, "t")


async def _roll_back(dispatch: Dispatch, pool: Pool, run_id: str) -> None:
    await dispatch.runs.CancelRun(runs_pb2.CancelRunRequest(run_id=run_id, action=run_pb2.CANCEL_ACTION_ROLLBACK))


async def _roll_back_the_claimed(dispatch: Dispatch, pool: Pool, run_id: str) -> None:
    await start_run(pool, run_id, await make_worker(pool))
    await _roll_back(dispatch, pool, run_id)
    await pool.execute("SELECT release_run(r.tenant, r.run_id, r.claim, false, '0') FROM runs r")


async def _delete(dispatch: Dispatch, pool: Pool, run_id: str) -> None:
    await end_run(pool, run_id)
    await dispatch.runs.DeleteRun(runs_pb2.DeleteRunRequest(run_id=run_id))


@threads
@pytest.mark.parametrize("remove", [_roll_back, _roll_back_the_claimed, _delete])
async def test_a_creation_that_comes_again_does_not_bring_a_removed_run_back(
    dispatch: Dispatch, pool: Pool, refused: Any, thread_id: str, remove: Any
) -> None:
    request = a_run(run_id=str(new_uuid()), thread_id=thread_id)
    await dispatch.runs.CreateRun(request)
    await remove(dispatch, pool, request.run_id)
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0
    assert (await refused(dispatch.runs.CreateRun(request))).reason == "ID_REUSED"
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0


@threads
async def test_a_creation_that_waits_for_one_that_is_undone_does_not_bring_it_back(
    dispatch: Dispatch, pool: Pool, refused: Any, soon: Any, thread_id: str
) -> None:
    run_id = new_uuid()
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchval(CREATE, run_id, thread_id or None, GRAPH) == "created"
        late = dispatch.runs.CreateRun(a_run(run_id=str(run_id), thread_id=thread_id))
        await soon(lambda: held_up(pool))
        await connection.execute("SELECT outcome FROM cancel_run('default', $1, 'rollback')", run_id)
    assert (await refused(late)).reason == "ID_REUSED"
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0


async def test_a_batch_that_comes_again_is_refused_by_the_run_that_is_gone(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    undone, kept = (str(new_uuid()) for _ in range(2))
    strategy = run_pb2.MULTITASK_STRATEGY_ROLLBACK
    batch = runs_pb2.BatchCreateRunsRequest(
        requests=[a_run(run_id=undone, thread_id="t"), a_run(run_id=kept, thread_id="t", multitask_strategy=strategy)]
    )
    await dispatch.runs.BatchCreateRuns(batch)
    answer = await refused(dispatch.runs.BatchCreateRuns(batch))
    assert (answer.reason, answer.metadata["index"]) == ("ID_REUSED", "0")
    assert await pool.fetch("SELECT run_id FROM runs") == [(UUID(kept),)]


async def test_an_id_is_free_when_its_run_is_forgotten(dispatch: Dispatch, pool: Pool) -> None:
    request = a_run(run_id=str(new_uuid()), thread_id="t")
    await dispatch.runs.CreateRun(request)
    await _delete(dispatch, pool, request.run_id)
    await pool.execute("DELETE FROM removed_runs")
    assert (await dispatch.runs.CreateRun(request)).run.run_id == request.run_id


async def test_the_id_of_a_run_that_ended_a_day_before_its_deletion_is_free(dispatch: Dispatch, pool: Pool) -> None:
    request = a_run(run_id=str(new_uuid()), thread_id="t")
    await dispatch.runs.CreateRun(request)
    await end_run(pool, request.run_id, ago=timedelta(days=1))
    await dispatch.runs.DeleteRun(runs_pb2.DeleteRunRequest(run_id=request.run_id))
    assert (await dispatch.runs.CreateRun(request)).run.run_id == request.run_id
