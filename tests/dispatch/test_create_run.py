"""CreateRun, through its stub."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from redis.asyncio import Redis

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Run, RunConfig
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch.__main__ import running
from tests.dispatch.conftest import Dispatch, stubs
from tests.dispatch.factories import GRAPH, a_run, end_run, make_assistant, make_thread
from tests.harness.databases import held_up
from tests.harness.waiting import until

REJECT = run_pb2.MULTITASK_STRATEGY_REJECT
_NO_VALUE: Any = 77
CREATE_THREAD = runs_pb2.IF_THREAD_MISSING_CREATE


async def _stored(pool: Pool, run_id: str) -> CreateRunRequest:
    stored = CreateRunRequest()
    stored.ParseFromString(await pool.fetchval("SELECT request FROM runs WHERE run_id = $1", UUID(run_id)))
    return stored


async def test_a_run_without_a_thread_is_pending_and_ready(dispatch: Dispatch, pool: Pool) -> None:
    assistant_id = await make_assistant(pool)
    run = (await dispatch.runs.CreateRun(a_run())).run
    assert UUID(run.run_id).version == 7
    assert (run.thread_id, run.assistant_id, run.graph_id) == ("", assistant_id, GRAPH)
    assert (run.status, run.assistant_version, run.attempts) == (run_pb2.RUN_STATUS_PENDING, 1, 0)
    assert run.multitask_strategy == run_pb2.MULTITASK_STRATEGY_ENQUEUE
    assert not run.HasField("start_time")
    assert not run.HasField("finish_time")
    assert await pool.fetchval("SELECT ready FROM runs WHERE run_id = $1", UUID(run.run_id))


async def test_a_ready_run_wakes_a_worker(dispatch: Dispatch, pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await dispatch.runs.CreateRun(a_run())
    waiter = bus.waiter()
    assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
    await waiter.aclose()


async def test_the_stored_request_is_laid_over_the_assistant(dispatch: Dispatch, pool: Pool) -> None:
    config = RunConfig(tags=["a"], recursion_limit=7, configurable=Json(text='{"model":"small","t":0}'))
    await make_assistant(pool, "helper", config=config)
    own = RunConfig(tags=["b"], configurable=Json(text='{"t":1}'))
    run = (await dispatch.runs.CreateRun(a_run(assistant_id="helper", config=own))).run
    stored = await _stored(pool, run.run_id)
    assert list(stored.config.tags) == ["a", "b"]
    assert stored.config.recursion_limit == 7
    assert stored.config.configurable.text == '{"model":"small","t":1}'
    assert stored.assistant_id == "helper"


async def test_metadata_is_the_assistants_the_threads_and_the_requests(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool, metadata='{"a":1,"b":1,"c":1}')
    await make_thread(pool, metadata='{"b":2,"c":2}')
    request = a_run(thread_id="thread-1", metadata=Json(text='{"c":3}'))
    run = (await dispatch.runs.CreateRun(request)).run
    assert json.loads(run.metadata.text) == {"a": 1, "b": 2, "c": 3, **_named(run)}


def _named(run: Run) -> dict[str, str]:
    return {"graph_id": run.graph_id, "assistant_id": run.assistant_id}


async def test_metadata_names_the_runs_own_assistant_and_not_that_of_the_run_before(
    dispatch: Dispatch, pool: Pool
) -> None:
    await make_assistant(pool)
    await make_assistant(pool, "helper")
    await make_thread(pool)
    first = (await dispatch.runs.CreateRun(a_run(thread_id="thread-1"))).run
    second = (await dispatch.runs.CreateRun(a_run(thread_id="thread-1", assistant_id="helper"))).run
    assert first.assistant_id != second.assistant_id
    for run in (first, second):
        assert json.loads(run.metadata.text) == _named(run)
    without = (await dispatch.runs.CreateRun(a_run())).run
    assert json.loads(without.metadata.text) == {}


async def test_the_time_limit_and_the_event_log_are_columns(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    request = a_run(run_timeout=Duration(seconds=90), event_log=runs_pb2.EVENT_LOG_OFF)
    run = (await dispatch.runs.CreateRun(request)).run
    row = await pool.fetchrow("SELECT run_timeout, event_log FROM runs WHERE run_id = $1", UUID(run.run_id))
    assert (row["run_timeout"], row["event_log"]) == (timedelta(seconds=90), False)


async def test_an_unknown_thread_is_not_found(dispatch: Dispatch, pool: Pool, refused: Any) -> None:
    await make_assistant(pool)
    error = await refused(dispatch.runs.CreateRun(a_run(thread_id="nowhere")))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "THREAD_NOT_FOUND")
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0


async def test_a_missing_thread_can_be_created(dispatch: Dispatch, pool: Pool) -> None:
    assistant_id = await make_assistant(pool)
    request = a_run(thread_id="fresh", if_thread_missing=CREATE_THREAD)
    assert (await dispatch.runs.CreateRun(request)).run.thread_id == "fresh"
    thread = await pool.fetchrow("SELECT graph_id, assistant_id FROM threads WHERE thread_id = 'fresh'")
    assert (thread["graph_id"], thread["assistant_id"]) == (GRAPH, assistant_id)


async def test_a_kept_run_has_a_thread_of_its_own_id(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    run = (await dispatch.runs.CreateRun(a_run(on_completion=runs_pb2.ON_COMPLETION_KEEP))).run
    assert run.thread_id == run.run_id
    assert await pool.fetchval("SELECT count(*) FROM threads WHERE thread_id = $1", run.run_id) == 1
    assert (await _stored(pool, run.run_id)).thread_id == run.run_id


async def test_everything_wrong_is_said_at_once_and_nothing_is_written(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    request = a_run(
        run_id="x",
        thread_id="a b",
        input=Json(text="{"),
        metadata=Json(text="[]"),
        multitask_strategy=_NO_VALUE,
        durability=_NO_VALUE,
        stream_modes=[0],
        run_timeout=Duration(seconds=-1),
        config=RunConfig(recursion_limit=0, configurable=Json(text='{"thread_id":"t"}')),
    )
    error = await refused(dispatch.runs.CreateRun(request))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert error.violations == {
        "run_id": "FIELD_INVALID",
        "thread_id": "FIELD_INVALID",
        "input": "INVALID_JSON",
        "metadata": "INVALID_JSON",
        "multitask_strategy": "UNKNOWN_ENUM_VALUE",
        "durability": "UNKNOWN_ENUM_VALUE",
        "stream_modes[0]": "FIELD_INVALID",
        "run_timeout": "FIELD_OUT_OF_RANGE",
        "config.recursion_limit": "FIELD_OUT_OF_RANGE",
        "config.configurable": "FIELD_INVALID",
    }
    assert await pool.fetchval("SELECT count(*) FROM runs") == 0


async def test_the_same_id_and_request_is_the_same_run(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    request = a_run(run_id=str(new_uuid()))
    first = (await dispatch.runs.CreateRun(request)).run
    await end_run(pool, first.run_id)
    again = (await dispatch.runs.CreateRun(request)).run
    assert (again.run_id, again.status) == (first.run_id, run_pb2.RUN_STATUS_SUCCESS)


async def test_a_repeated_call_finds_its_run_after_the_assistant_is_gone(
    dispatch: Dispatch, pool: Pool, refused: Any
) -> None:
    await make_assistant(pool)
    request = a_run(run_id=str(new_uuid()))
    await dispatch.runs.CreateRun(request)
    await pool.execute("DELETE FROM assistants")
    assert (await dispatch.runs.CreateRun(request)).run.run_id == request.run_id
    assert (await refused(dispatch.runs.CreateRun(a_run()))).reason == "ASSISTANT_NOT_FOUND"


@pytest.mark.parametrize("strategy", [REJECT, run_pb2.MULTITASK_STRATEGY_ENQUEUE])
async def test_twenty_equal_calls_at_once_create_one_run(dispatch: Dispatch, pool: Pool, strategy: int) -> None:
    await make_assistant(pool)
    request = a_run(run_id=str(new_uuid()), thread_id="t", if_thread_missing=CREATE_THREAD, multitask_strategy=strategy)
    answers = await asyncio.gather(*(dispatch.runs.CreateRun(request) for _ in range(20)))
    assert {answer.run.run_id for answer in answers} == {request.run_id}
    assert await pool.fetchval("SELECT count(*) FROM runs") == 1


async def test_a_call_made_twice_at_once_finds_its_run_though_another_came_between(
    dispatch: Dispatch, pool: Pool
) -> None:
    await make_assistant(pool)
    await make_thread(pool)
    mine = a_run(thread_id="thread-1", run_id=str(new_uuid()), multitask_strategy=REJECT)
    calls: list[asyncio.Future[Any]] = []

    async def all_wait() -> bool:
        return await held_up(pool) == len(calls)

    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM threads FOR UPDATE")
        for request in (mine, a_run(thread_id="thread-1"), mine):
            calls.append(asyncio.ensure_future(dispatch.runs.CreateRun(request)))
            await until(all_wait)
    first, _, again = await asyncio.gather(*calls)
    assert again == first


async def test_a_thread_whose_runs_have_ended_does_not_reject(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await end_run(pool, (await dispatch.runs.CreateRun(a_run(thread_id="t"))).run.run_id)
    run = (await dispatch.runs.CreateRun(a_run(thread_id="t", multitask_strategy=REJECT))).run
    assert run.status == run_pb2.RUN_STATUS_PENDING


async def test_of_twenty_rejecting_calls_at_once_one_creates_a_run(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    calls = [dispatch.runs.CreateRun(a_run(thread_id="t", multitask_strategy=REJECT)) for _ in range(20)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, runs_pb2.CreateRunResponse) for answer in answers) == 1
    codes = [answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert codes == [grpc.StatusCode.FAILED_PRECONDITION] * 19


async def test_of_twenty_queued_runs_the_first_alone_is_ready(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await asyncio.gather(*(dispatch.runs.CreateRun(a_run(thread_id="t")) for _ in range(20)))
    rows = await pool.fetch("SELECT ready FROM runs ORDER BY due_at, position")
    assert [row["ready"] for row in rows] == [True] + [False] * 19
    by_creation = await pool.fetch("SELECT position FROM runs ORDER BY created_at, position")
    assert [row["position"] for row in by_creation] == sorted(row["position"] for row in by_creation)


async def test_a_run_is_made_of_the_assistants_latest_version(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool, "helper")
    await dispatch.runs.CreateRun(a_run(assistant_id="helper"))
    await make_assistant(pool, "helper", version=2, graph_id="other")
    run = (await dispatch.runs.CreateRun(a_run(assistant_id="helper"))).run
    assert (run.assistant_version, run.graph_id) == (2, "other")


async def test_a_run_is_made_of_an_assistant_that_was_made_anew(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool, "helper")
    await dispatch.runs.CreateRun(a_run(assistant_id="helper"))
    await pool.execute("DELETE FROM assistants")
    await make_assistant(pool, "helper", graph_id="other")
    assert (await dispatch.runs.CreateRun(a_run(assistant_id="helper"))).run.graph_id == "other"


async def test_an_assistants_own_id_goes_before_a_graphs(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await dispatch.runs.CreateRun(a_run())
    await make_assistant(pool, GRAPH, graph_id="other")
    assert (await dispatch.runs.CreateRun(a_run())).run.graph_id == "other"


async def test_a_dead_redis_delays_no_call(pool: Pool, settings: Settings) -> None:
    await make_assistant(pool)
    without_redis = settings.model_copy(update={"redis_uri": "redis://127.0.0.1:1/0"})
    async with running(without_redis) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        run = (await stubs(channel).runs.CreateRun(a_run(), timeout=0.9)).run
    assert run.status == run_pb2.RUN_STATUS_PENDING


async def test_a_lost_database_connection_is_tried_again(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    await dispatch.runs.CreateRun(a_run())
    await pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'runwire-dispatch'"
    )
    assert (await dispatch.runs.CreateRun(a_run())).run.status == run_pb2.RUN_STATUS_PENDING


async def test_redis_gets_nothing_of_a_run(
    dispatch: Dispatch, pool: Pool, settings: Settings, bus: Bus, soon: Any
) -> None:
    await make_assistant(pool)
    await dispatch.runs.CreateRun(a_run())
    async with Redis.from_url(settings.redis_uri) as redis:
        keys = await soon(lambda: redis.keys(f"{settings.redis_prefix}:*"))
        assert keys == [bus.keys.wake(GRAPH).encode()]
        assert set(await redis.lrange(keys[0], 0, -1)) == {b"1"}
