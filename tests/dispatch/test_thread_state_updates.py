"""How an update of a thread's state holds the thread, with a worker made of a few statements."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest

from runwire.api.dispatch.v1.thread_state_pb2 import StateUpdate, UpdateThreadStateRequest, UpdateThreadStateResponse
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch.clockwork import Clockwork
from runwire.worker import thread_state, thread_state_updates
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, make_assistant, make_thread, make_worker
from tests.harness.waiting import until

UPDATE = UpdateThreadStateRequest(thread_id="thread-1", updates=[StateUpdate(as_node="a")])
DONE = UpdateThreadStateResponse(checkpoint=CheckpointRef(checkpoint_id="c1"))


@pytest.fixture
async def worker(pool: Pool) -> UUID:
    """A live worker, an assistant and a thread."""
    await make_assistant(pool)
    await make_thread(pool, graph_id=GRAPH)
    return await make_worker(pool)


async def ask(pool: Pool, *, patience: str = "1 minute") -> asyncpg.Record:
    """Asks for an update as Dispatch does."""
    return await pool.fetchrow(
        "SELECT * FROM ask_state_update(gen_random_uuid(), 'default', 'thread-1', '', $1::text::interval)", patience
    )


async def claim(pool: Pool, worker: UUID) -> asyncpg.Record | None:
    """Claims as a worker does."""
    return await pool.fetchrow(thread_state.SQL["claim_state_request"], worker, 1, [GRAPH])


async def end(pool: Pool, claimed: Any, reason: str | None = None, text: str | None = None) -> asyncpg.Record:
    """Ends an update as a worker does."""
    response = None if reason else DONE.SerializeToString()
    values = (claimed["request_id"], claimed["claim"], response, reason, text)
    return await pool.fetchrow(thread_state_updates.SQL["end_update"], *values)


async def ready(pool: Pool) -> list[bool]:
    """Of the thread's runs, in the order of creation."""
    return [row["ready"] for row in await pool.fetch("SELECT ready FROM runs ORDER BY position")]


async def held(pool: Pool) -> bool:
    """Whether an update is stored."""
    return bool(await pool.fetchval("SELECT count(*) FROM state_requests"))


async def create(dispatch: Dispatch) -> Any:
    """A run of the thread."""
    return (await dispatch.runs.CreateRun(a_run(thread_id="thread-1"))).run


async def test_a_worker_makes_an_update(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    calling = asyncio.ensure_future(dispatch.thread_state.UpdateThreadState(UPDATE))
    await until(lambda: held(pool))
    claimed = await claim(pool, worker)
    assert claimed is not None
    assert (claimed["kind"], claimed["claim"], claimed["request"]) == ("update", 1, UPDATE.SerializeToString())
    assert (await end(pool, claimed))["held"]
    assert await calling == DONE


async def test_the_graphs_objection_is_the_calls(dispatch: Dispatch, pool: Pool, worker: UUID, refused: Any) -> None:
    calling = asyncio.ensure_future(refused(dispatch.thread_state.UpdateThreadState(UPDATE)))
    await until(lambda: held(pool))
    await end(pool, await claim(pool, worker), "STATE_UPDATE_REFUSED", "Node {a} does not exist")
    error = await calling
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_UPDATE_REFUSED")
    assert (error.message, error.metadata) == ("Node {a} does not exist", {})


@pytest.mark.parametrize("status", ["pending", "running"])
async def test_an_active_run_refuses_an_update(
    dispatch: Dispatch, pool: Pool, worker: UUID, refused: Any, status: str
) -> None:
    await create(dispatch)
    if status == "running":
        await pool.execute("UPDATE runs SET status = 'running', ready = false, worker_id = $1", worker)
    error = await refused(dispatch.thread_state.UpdateThreadState(UPDATE))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "THREAD_BUSY")
    assert not await held(pool)


async def test_runs_wait_until_the_update_has_ended(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    await ask(pool)
    await create(dispatch)
    await create(dispatch)
    claimed = await claim(pool, worker)
    assert await ready(pool) == [False, False]
    assert (await end(pool, claimed))["promoted_graph_id"] == GRAPH
    assert await ready(pool) == [True, False]


async def test_a_refused_update_lets_runs_begin(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    await ask(pool)
    await create(dispatch)
    await end(pool, await claim(pool, worker), "STATE_UPDATE_REFUSED", "no")
    assert await ready(pool) == [True]


async def test_updates_of_a_thread_are_claimed_one_at_a_time_in_their_order(pool: Pool, worker: UUID) -> None:
    for _ in range(3):
        await ask(pool)
    order = [row["request_id"] for row in await pool.fetch("SELECT request_id FROM state_requests ORDER BY created_at")]
    for request_id in order:
        claimed = await claim(pool, worker)
        assert claimed is not None
        assert claimed["request_id"] == request_id
        assert await claim(pool, worker) is None
        await end(pool, claimed)


async def test_a_run_waits_for_all_updates_before_it(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    await ask(pool)
    await ask(pool)
    await create(dispatch)
    assert (await end(pool, await claim(pool, worker)))["promoted_graph_id"] is None
    assert (await end(pool, await claim(pool, worker)))["promoted_graph_id"] == GRAPH


async def test_an_update_that_was_taken_over_is_not_ended_by_its_former_owner(
    pool: Pool, bus: Bus, settings: Settings, worker: UUID
) -> None:
    await ask(pool)
    lost = await claim(pool, new_uuid())
    await Clockwork(pool, bus, settings).tend_questions()
    mine = await claim(pool, worker)
    assert mine is not None
    assert not (await end(pool, lost))["held"]
    assert (await end(pool, mine))["held"]


async def test_the_clockwork_removes_an_update_that_nobody_waits_for(
    dispatch: Dispatch, pool: Pool, bus: Bus, settings: Settings, worker: UUID
) -> None:
    await ask(pool, patience="-1 minute")
    await create(dispatch)
    await Clockwork(pool, bus, settings).tend_questions()
    assert (await ready(pool), await held(pool)) == ([True], False)


async def test_a_call_that_is_cancelled_lets_runs_begin(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    call = dispatch.thread_state.UpdateThreadState(UPDATE)
    waiting = asyncio.ensure_future(call)
    await until(lambda: held(pool))
    await create(dispatch)
    call.cancel()

    async def promoted() -> bool:
        return await ready(pool) == [True]

    await until(promoted)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_runs_of_other_threads_do_not_wait(dispatch: Dispatch, pool: Pool, worker: UUID) -> None:
    await ask(pool)
    await make_thread(pool, "thread-2", graph_id=GRAPH)
    await dispatch.runs.CreateRun(a_run(thread_id="thread-2"))
    await dispatch.runs.CreateRun(a_run())
    assert await ready(pool) == [True, True]
