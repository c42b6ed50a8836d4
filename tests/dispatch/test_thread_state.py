"""Questions about threads' states, through the stub, answered by a worker made of a few statements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import grpc
import pytest

from runwire.api.dispatch.v1.thread_state_pb2 import (
    GetThreadStateRequest,
    GetThreadStateResponse,
    ListThreadHistoryRequest,
    ListThreadHistoryResponse,
    ThreadState,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, make_thread, make_worker
from tests.harness.waiting import until

STATE = GetThreadStateResponse(state=ThreadState(values=Json(text='{"n":1}'), next=["b"]))
ASK = GetThreadStateRequest(thread_id="thread-1")


@asynccontextmanager
async def answering(
    pool: Pool,
    bus: Bus,
    *,
    tells: bool = True,
    response: bytes | None = STATE.SerializeToString(),
    refusal: tuple[str | None, str | None] = (None, None),
) -> AsyncIterator[list[GetThreadStateRequest]]:
    """Answers every question once it is woken; the value collects them."""
    asked: list[GetThreadStateRequest] = []
    waiter = bus.waiter()

    async def work() -> None:
        while True:
            await waiter.pop([bus.keys.wake_state(GRAPH)], 5)
            rows = await pool.fetch(
                "UPDATE state_requests SET status = 'done', response = $1, error_reason = $2, error_message = $3"
                " WHERE status = 'pending' RETURNING request_id, request",
                response,
                *refusal,
            )
            asked.extend(GetThreadStateRequest.FromString(row["request"]) for row in rows)
            if tells:
                await bus.publish([(bus.keys.done(row["request_id"]), b"1") for row in rows])

    task = asyncio.create_task(work())
    try:
        yield asked
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await waiter.aclose()


async def test_a_worker_answers(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    async with answering(pool, bus) as asked:
        assert await dispatch.thread_state.GetThreadState(ASK) == STATE
    assert asked == [ASK]
    assert await pool.fetchval("SELECT count(*) FROM state_requests") == 0


async def test_a_lost_message_costs_a_poll_and_not_the_answer(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    async with answering(pool, bus, tells=False):
        assert await dispatch.thread_state.GetThreadState(ASK) == STATE


async def test_twenty_questions_at_once_get_their_answers(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    async with answering(pool, bus):
        answers = await asyncio.gather(*(dispatch.thread_state.GetThreadState(ASK) for _ in range(20)))
    assert answers == [STATE] * 20


@pytest.mark.parametrize(
    ("worker_says", "code", "reason"),
    [
        (("THREAD_NOT_FOUND", None), grpc.StatusCode.NOT_FOUND, "THREAD_NOT_FOUND"),
        (("THREAD_HAS_NO_GRAPH", None), grpc.StatusCode.FAILED_PRECONDITION, "THREAD_HAS_NO_GRAPH"),
        (("CHECKPOINT_NOT_FOUND", "c1"), grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND"),
        (("NO_WORKER", None), grpc.StatusCode.UNAVAILABLE, "NO_WORKER"),
        (("INTERNAL", "KeyError: secret"), grpc.StatusCode.INTERNAL, "INTERNAL"),
    ],
)
async def test_a_workers_refusal_is_the_calls(
    dispatch: Dispatch,
    pool: Pool,
    bus: Bus,
    refused: Any,
    worker_says: tuple[str, str | None],
    code: grpc.StatusCode,
    reason: str,
) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    async with answering(pool, bus, response=None, refusal=worker_says):
        error = await refused(dispatch.thread_state.GetThreadState(ASK))
    assert (error.code, error.reason) == (code, reason)
    assert "secret" not in error.message


@pytest.mark.parametrize(
    "worker",
    [None, {"silent_for": timedelta(minutes=1)}, {"draining": True}, {"graph_id": "other"}],
    ids=["none", "dead", "draining", "other graph"],
)
async def test_without_a_live_worker_the_call_is_refused_at_once(
    dispatch: Dispatch, pool: Pool, refused: Any, worker: dict[str, Any] | None
) -> None:
    await make_thread(pool, graph_id=GRAPH)
    if worker is not None:
        await make_worker(pool, **worker)
    error = await refused(dispatch.thread_state.GetThreadState(ASK))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "NO_WORKER")
    assert error.metadata == {"graph_id": GRAPH}
    assert await pool.fetchval("SELECT count(*) FROM state_requests") == 0


async def test_a_passed_deadline_takes_the_question_back(
    dispatch: Dispatch, pool: Pool, refused: Any, soon: Any
) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    error = await refused(dispatch.thread_state.GetThreadState(ASK, timeout=0.7))
    assert error.code == grpc.StatusCode.DEADLINE_EXCEEDED

    async def taken_back() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = 0 FROM state_requests"))

    assert await soon(taken_back)


async def test_a_cancelled_call_takes_the_question_back(dispatch: Dispatch, pool: Pool, soon: Any) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    call = dispatch.thread_state.GetThreadState(ASK)

    async def count(expected: int) -> bool:
        return bool(await pool.fetchval("SELECT count(*) = $1 FROM state_requests", expected))

    waiting = asyncio.ensure_future(call)
    assert await soon(lambda: count(1))
    call.cancel()
    assert await soon(lambda: count(0))
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_question_goes_with_its_thread(dispatch: Dispatch, pool: Pool, refused: Any, soon: Any) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    waiting = asyncio.ensure_future(refused(dispatch.thread_state.GetThreadState(ASK)))

    async def asked() -> bool:
        return bool(await pool.fetchval("SELECT count(*) FROM state_requests"))

    await soon(asked)
    await pool.execute("DELETE FROM threads")
    assert (await waiting).reason == "THREAD_NOT_FOUND"


async def test_a_wrong_checkpoint_is_refused_by_name(dispatch: Dispatch, refused: Any) -> None:
    request = GetThreadStateRequest(checkpoint=CheckpointRef(checkpoint_id="a b", checkpoint_ns="\0"))
    assert (await refused(dispatch.thread_state.GetThreadState(request))).violations == {
        "thread_id": "FIELD_REQUIRED",
        "checkpoint.checkpoint_id": "FIELD_INVALID",
        "checkpoint.checkpoint_ns": "FIELD_INVALID",
    }


async def test_a_question_is_given_up_when_no_worker_is_left(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    waiting = asyncio.ensure_future(refused(dispatch.thread_state.GetThreadState(ASK)))
    await _stored(pool, 1)
    await pool.execute("DELETE FROM workers")
    assert (await waiting).reason == "NO_WORKER"
    assert await pool.fetchval("SELECT count(*) FROM state_requests") == 0


async def test_a_worker_gets_a_page_as_its_size_and_its_place(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_thread(pool, graph_id=GRAPH)
    await make_worker(pool)
    ask = ListThreadHistoryRequest(thread_id="thread-1", checkpoint_ns="a:1")
    more = ListThreadHistoryResponse(next_page_token="c5").SerializeToString()
    async with answering(pool, bus, response=more) as asked:
        token = (await dispatch.thread_state.ListThreadHistory(ask)).next_page_token
        ask.page_token = token
        await dispatch.thread_state.ListThreadHistory(ask)
    first, second = (ListThreadHistoryRequest.FromString(request.SerializeToString()) for request in asked)
    assert (first.page_size, first.HasField("before")) == (10, False)
    assert (second.page_size, second.before, second.page_token) == (10, CheckpointRef(checkpoint_id="c5"), "")


async def _stored(pool: Pool, count: int) -> None:
    async def so_many() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = $1 FROM state_requests", count))

    await until(so_many)
