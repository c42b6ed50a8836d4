"""INTERRUPT and ROLLBACK: what a new run does to the active runs of its thread."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey, new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from tests.dispatch.conftest import Dispatch, dispatching
from tests.dispatch.factories import GRAPH, a_run, make_assistant, make_thread, make_worker, start_run

INTERRUPT = run_pb2.MULTITASK_STRATEGY_INTERRUPT
ROLLBACK = run_pb2.MULTITASK_STRATEGY_ROLLBACK


async def _create(dispatch: Dispatch, thread_id: str = "t", **fields: Any) -> run_pb2.Run:
    run: run_pb2.Run = (await dispatch.runs.CreateRun(a_run(thread_id=thread_id, **fields))).run
    return run


async def _rows(pool: Pool) -> dict[str, tuple[str, bool, str | None]]:
    rows = await pool.fetch("SELECT run_id, status, ready, cancel_action FROM runs")
    return {str(row["run_id"]): (row["status"], row["ready"], row["cancel_action"]) for row in rows}


async def _finish(pool: Pool, run_id: str, status: str = "cancelled") -> str:
    outcome: str = await pool.fetchval(
        "SELECT f.outcome FROM runs r, finish_run(r.run_id, r.claim, r.tenant, r.thread_id, $2, NULL, NULL, NULL, NULL,"
        " NULL, NULL, NULL, NULL) f WHERE r.run_id = $1",
        UUID(run_id),
        status,
    )
    return outcome


@pytest.fixture
async def thread(pool: Pool) -> None:
    """An assistant, and a thread named t."""
    await make_assistant(pool)
    await make_thread(pool, "t")


@pytest.mark.parametrize("strategy", [INTERRUPT, ROLLBACK])
async def test_an_idle_thread_runs_at_once(dispatch: Dispatch, pool: Pool, thread: None, strategy: Any) -> None:
    run = await _create(dispatch, multitask_strategy=strategy)
    assert run.multitask_strategy == strategy
    assert await _rows(pool) == {run.run_id: ("pending", True, None)}


async def test_pending_runs_are_cancelled_and_the_new_one_is_ready(
    dispatch: Dispatch, pool: Pool, thread: None
) -> None:
    before = [(await _create(dispatch)).run_id for _ in range(3)]
    run = await _create(dispatch, multitask_strategy=INTERRUPT)
    ended = dict.fromkeys(before, ("cancelled", False, None))
    assert await _rows(pool) == {**ended, run.run_id: ("pending", True, None)}


async def test_pending_runs_are_removed_by_a_rollback(dispatch: Dispatch, pool: Pool, thread: None) -> None:
    for _ in range(3):
        await _create(dispatch)
    run = await _create(dispatch, multitask_strategy=ROLLBACK)
    assert await _rows(pool) == {run.run_id: ("pending", True, None)}


async def test_a_pending_run_that_was_begun_before_is_undone_by_a_rollback(
    dispatch: Dispatch, pool: Pool, thread: None
) -> None:
    begun = await _create(dispatch)
    await start_run(pool, begun.run_id, await make_worker(pool))
    await pool.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
        " VALUES ('t', '1', '{}', jsonb_build_object('run_id', $1::text))",
        begun.run_id,
    )
    await pool.execute("SELECT release_run('default', $1, 1, true, interval '0')", UUID(begun.run_id))
    await _create(dispatch, multitask_strategy=ROLLBACK)
    assert await pool.fetchval("SELECT count(*) FROM checkpoints") == 0


@pytest.mark.parametrize(("strategy", "action"), [(INTERRUPT, "interrupt"), (ROLLBACK, "rollback")])
async def test_a_running_run_is_asked_to_stop_and_the_new_one_waits_for_it(
    dispatch: Dispatch, pool: Pool, bus: Bus, thread: None, strategy: Any, action: str
) -> None:
    running = await _create(dispatch)
    worker_id = await make_worker(pool)
    await start_run(pool, running.run_id, worker_id)
    pending = await _create(dispatch)
    told: asyncio.Queue[bytes | None] = asyncio.Queue()
    ended: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), told.put_nowait),
        subscriptions.listen(bus.keys.events(RunKey(DEFAULT_TENANT, UUID(pending.run_id))), ended.put_nowait),
    ):
        run = await _create(dispatch, multitask_strategy=strategy)
        async with asyncio.timeout(5):
            assert await told.get() == f"{running.run_id} {action}".encode()
            assert await ended.get() == b""
    rows = await _rows(pool)
    assert rows[running.run_id] == ("running", False, action)
    assert rows[run.run_id] == ("pending", False, None)
    assert await _finish(pool, running.run_id, "success") == "cancel_requested"
    assert await _finish(pool, running.run_id) == ("finished" if action == "interrupt" else "rolled_back")
    assert (await _rows(pool))[run.run_id] == ("pending", True, None)


async def test_a_rollback_that_was_asked_for_stays_one(dispatch: Dispatch, pool: Pool, thread: None) -> None:
    running = await _create(dispatch)
    await start_run(pool, running.run_id, await make_worker(pool))
    await _create(dispatch, multitask_strategy=ROLLBACK)
    await _create(dispatch, multitask_strategy=INTERRUPT)
    assert (await _rows(pool))[running.run_id] == ("running", False, "rollback")


async def test_a_stopping_run_of_a_dead_worker_makes_way(pool: Pool, settings: Settings, thread: None) -> None:
    # Its own clockwork does not come first.
    async with dispatching(settings.model_copy(update={"sweep_interval": timedelta(hours=1)})) as dispatch:
        running = await _create(dispatch)
        await start_run(pool, running.run_id, await make_worker(pool))
        run = await _create(dispatch, multitask_strategy=INTERRUPT)
        await pool.execute("DELETE FROM workers")
        rows = await pool.fetch("SELECT graph_id FROM reap_dead_workers(10)")
    assert [row["graph_id"] for row in rows] == [GRAPH]
    assert await _rows(pool) == {
        running.run_id: ("cancelled", False, None),
        run.run_id: ("pending", True, None),
    }


async def test_other_threads_are_left_alone(dispatch: Dispatch, pool: Pool, thread: None) -> None:
    await make_thread(pool, "u")
    other = await _create(dispatch, "u")
    await _create(dispatch, multitask_strategy=ROLLBACK)
    assert (await _rows(pool))[other.run_id] == ("pending", True, None)


@pytest.mark.parametrize("strategy", [INTERRUPT, ROLLBACK])
async def test_a_repeated_call_does_not_cancel_its_own_run(
    dispatch: Dispatch, pool: Pool, thread: None, strategy: Any
) -> None:
    request = a_run(run_id=str(new_uuid()), thread_id="t", multitask_strategy=strategy)
    answers = await asyncio.gather(*(dispatch.runs.CreateRun(request) for _ in range(20)))
    assert {answer.run.status for answer in answers} == {run_pb2.RUN_STATUS_PENDING}
    assert await _rows(pool) == {request.run_id: ("pending", True, None)}


async def test_of_many_calls_at_once_one_run_is_left(dispatch: Dispatch, pool: Pool, thread: None) -> None:
    await asyncio.gather(*(_create(dispatch, multitask_strategy=INTERRUPT) for _ in range(20)))
    rows = sorted((await _rows(pool)).values())
    assert rows == [("cancelled", False, None)] * 19 + [("pending", True, None)]


async def test_a_refused_run_cancels_nothing(dispatch: Dispatch, pool: Pool, thread: None, refused: Any) -> None:
    before = await _create(dispatch)
    used = await _create(dispatch)
    missing = run_pb2.CheckpointRef(checkpoint_id="nowhere")
    requests = [
        (a_run(thread_id="t", multitask_strategy=INTERRUPT, assistant_id="nobody"), "ASSISTANT_NOT_FOUND"),
        (a_run(thread_id="t", multitask_strategy=INTERRUPT, checkpoint=missing), "CHECKPOINT_NOT_FOUND"),
        (a_run(thread_id="t", multitask_strategy=INTERRUPT, run_id=used.run_id), "ID_REUSED"),
    ]
    for request, reason in requests:
        assert (await refused(dispatch.runs.CreateRun(request))).reason == reason
    assert await _rows(pool) == {before.run_id: ("pending", True, None), used.run_id: ("pending", False, None)}


async def test_the_loser_of_two_calls_with_one_id_changes_nothing(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    for _ in range(10):
        run_id = str(new_uuid())
        before = {await make_thread(pool, f"{side}-{run_id}"): None for side in "ab"}
        waiting = {thread_id: await _create(dispatch, thread_id) for thread_id in before}
        calls = [a_run(run_id=run_id, thread_id=thread_id, multitask_strategy=INTERRUPT) for thread_id in before] + [
            a_run(run_id=run_id, thread_id=f"new-{run_id}", if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE)
        ]
        answers = await asyncio.gather(*map(dispatch.runs.CreateRun, calls), return_exceptions=True)
        won = [answer.run.thread_id for answer in answers if isinstance(answer, runs_pb2.CreateRunResponse)]
        assert len(won) == 1
        rows = await _rows(pool)
        for thread_id, run in waiting.items():
            assert rows[run.run_id][0] == ("cancelled" if thread_id in won else "pending")
        made = await pool.fetchval("SELECT count(*) FROM threads WHERE thread_id = $1", f"new-{run_id}")
        assert made == (1 if won == [f"new-{run_id}"] else 0)


async def test_a_webhook_is_a_column_of_its_own(pool: Pool, thread: None) -> None:
    await pool.execute(
        "SELECT c.outcome FROM assistants a, create_run($1, 'default', 't', false, a.assistant_id, 1, $2::text,"
        " 'enqueue', '0', '', '', '{}', '{}', true, p_webhook => $3) c",
        new_uuid(),
        GRAPH,
        runs_pb2.Webhook(url="https://example.org").SerializeToString(),
    )
    stored = runs_pb2.Webhook.FromString(await pool.fetchval("SELECT webhook FROM runs"))
    assert stored.url == "https://example.org"


async def test_a_checkpoint_must_be_the_threads_own(dispatch: Dispatch, pool: Pool, thread: None, refused: Any) -> None:
    await make_thread(pool, "u")
    await pool.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint)"
        " VALUES ('t', '', '1', '{}'), ('t', 'sub:1', '2', '{}'), ('u', '', '3', '{}')"
    )

    async def outcome(thread_id: str, checkpoint_id: str, checkpoint_ns: str = "") -> str:
        named = run_pb2.CheckpointRef(checkpoint_id=checkpoint_id, checkpoint_ns=checkpoint_ns)
        request = a_run(
            thread_id=thread_id,
            checkpoint=named,
            if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE,
            input=Json(text="1"),
        )
        try:
            await dispatch.runs.CreateRun(request)
        except Exception:
            return str((await refused(dispatch.runs.CreateRun(request))).reason)
        return "created"

    assert await outcome("t", "1") == "created"
    assert await outcome("t", "2", "sub:1") == "created"
    for wrong in (("t", "2"), ("t", "1", "sub:1"), ("t", "3"), ("new", "1")):
        assert await outcome(*wrong) == "CHECKPOINT_NOT_FOUND"
    assert await pool.fetchval("SELECT count(*) FROM threads") == 2


async def test_a_checkpoint_that_is_about_to_be_undone_is_not_found(
    dispatch: Dispatch, pool: Pool, thread: None, refused: Any
) -> None:
    running = await _create(dispatch)
    await start_run(pool, running.run_id, await make_worker(pool))
    await pool.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)"
        " VALUES ('t', '1', '{}', jsonb_build_object('run_id', $1::text))",
        running.run_id,
    )
    request = a_run(thread_id="t", multitask_strategy=ROLLBACK, checkpoint=run_pb2.CheckpointRef(checkpoint_id="1"))
    assert (await refused(dispatch.runs.CreateRun(request))).reason == "CHECKPOINT_NOT_FOUND"
    assert await _rows(pool) == {running.run_id: ("running", False, None)}
    request.multitask_strategy = INTERRUPT
    await dispatch.runs.CreateRun(request)
