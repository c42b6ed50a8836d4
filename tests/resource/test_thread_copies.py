from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest

from runwire.api.resource.v1.threads_pb2 import (
    CopyThreadRequest,
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    Thread,
    ThreadStatus,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from tests.resource.conftest import Rows
from tests.resource.refusals import refused
from tests.worker.checkpoint_graphs import delta_graph

if TYPE_CHECKING:
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub


async def copy(threads: ThreadsServiceAsyncStub, thread_id: str = "t-1", target: str = "t-2") -> Thread:
    request = CopyThreadRequest(thread_id=thread_id, target_thread_id=target)
    return (await threads.CopyThread(request)).thread


async def get(threads: ThreadsServiceAsyncStub, thread_id: str) -> Thread:
    return (await threads.GetThread(GetThreadRequest(thread_id=thread_id))).thread


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


async def history(saver: RunwireSaver, thread_id: str) -> list[Any]:
    return [(found.checkpoint, found.metadata, found.pending_writes) async for found in saver.alist(config(thread_id))]


@pytest.fixture
async def made(threads: ThreadsServiceAsyncStub, rows: Rows, pool: Pool) -> Thread:
    """A thread that paused, with a run, a delta channel and a time to live."""
    request = CreateThreadRequest(thread_id="t-1", metadata=Json(text='{"user": 1}'))
    request.ttl.duration.seconds = 3600
    await threads.CreateThread(request)
    run_id = await rows.run("t-1", await rows.graph("agent"))
    await rows.claim(run_id)
    await delta_graph(RunwireSaver(pool)).ainvoke({"log": ["start"], "left": 6}, config("t-1"))
    interrupts = '[{"id": "i", "value": 1, "ns": []}]'
    await rows.finish(run_id, "interrupted", values='{"v": 1}', interrupts=interrupts)
    return await get(threads, "t-1")


async def test_a_copy_has_everything_but_the_runs(threads: ThreadsServiceAsyncStub, made: Thread, pool: Pool) -> None:
    copied = await copy(threads)
    assert copied.thread_id == "t-2"
    assert (copied.status, copied.graph_id) == (ThreadStatus.THREAD_STATUS_INTERRUPTED, "agent")
    assert (copied.metadata, copied.values, copied.interrupts) == (made.metadata, made.values, made.interrupts)
    assert (copied.ttl, copied.state_update_time) == (made.ttl, made.state_update_time)
    assert copied.create_time.ToDatetime() > made.update_time.ToDatetime()
    assert await get(threads, "t-2") == copied
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE thread_id = 't-2'") == 0


async def test_a_copy_has_the_whole_history_and_lives_on_its_own(
    threads: ThreadsServiceAsyncStub, made: Thread, pool: Pool
) -> None:
    saver = RunwireSaver(pool)
    before = await history(saver, "t-1")
    await copy(threads)
    await threads.DeleteThread(DeleteThreadRequest(thread_id="t-1"))
    assert await history(saver, "t-2") == before
    after = await delta_graph(saver).ainvoke({"log": ["more"], "left": 1}, config("t-2"))
    assert after["log"] == ["start", *(f"at {n}" for n in range(6, 0, -1)), "more", "at 1"]


async def test_a_copy_of_a_failed_thread_says_why(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO threads (thread_id, status, error_type, error_message) VALUES ('t-1','error','E','m')"
    )
    copied = await copy(threads)
    assert (copied.status, copied.error.type) == (ThreadStatus.THREAD_STATUS_ERROR, "E")


async def test_a_copy_without_an_id_gets_a_new_one_each_time(threads: ThreadsServiceAsyncStub, made: Thread) -> None:
    ids = {(await copy(threads, target="")).thread_id for _ in range(2)}
    assert [UUID(thread_id).version for thread_id in ids] == [7, 7]


async def test_the_same_request_again_is_the_same_copy(
    threads: ThreadsServiceAsyncStub, made: Thread, rows: Rows
) -> None:
    answers = await asyncio.gather(*[copy(threads) for _ in range(5)])
    await threads.DeleteThread(DeleteThreadRequest(thread_id="t-1"))
    answers.append(await copy(threads))
    assert all(answer == answers[0] for answer in answers)
    assert await rows.count("threads") == 1


async def test_an_id_that_is_taken_is_refused_and_what_is_there_stays(
    threads: ThreadsServiceAsyncStub, made: Thread, rows: Rows
) -> None:
    there = (await threads.CreateThread(CreateThreadRequest(thread_id="t-2"))).thread
    checkpoints = await rows.count("checkpoints")
    for target in ["t-1", "t-2"]:
        answer = await refused(copy(threads, target=target))
        assert (answer.code, answer.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")
        assert answer.metadata == {"id": target}
    assert await get(threads, "t-2") == there
    assert await rows.count("checkpoints") == checkpoints


async def test_an_unknown_thread_is_not_found(threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows) -> None:
    await pool.execute("INSERT INTO threads (tenant, thread_id) VALUES ('other', 'theirs'), ('default', 't-3')")
    for thread_id, target in [("nobody", "t-2"), ("theirs", "t-2"), ("nobody", "t-3")]:
        answer = await refused(copy(threads, thread_id, target))
        assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "THREAD_NOT_FOUND")
        assert answer.metadata == {"thread_id": thread_id}
    assert await rows.count("threads") == 2


async def test_a_busy_thread_is_copied_as_its_last_run_left_it(
    threads: ThreadsServiceAsyncStub, made: Thread, pool: Pool, rows: Rows
) -> None:
    await rows.run("t-1", await pool.fetchval("SELECT assistant_id FROM assistants"))
    copied = await copy(threads)
    assert (await get(threads, "t-1")).status == ThreadStatus.THREAD_STATUS_BUSY
    assert copied.status == ThreadStatus.THREAD_STATUS_INTERRUPTED


async def test_wrong_ids_are_refused(threads: ThreadsServiceAsyncStub) -> None:
    answer = await refused(copy(threads, "", "a/b"))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {"thread_id": "FIELD_REQUIRED", "target_thread_id": "FIELD_INVALID"}
