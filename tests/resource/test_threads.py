from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

import grpc

from runwire.api.resource.v1.threads_pb2 import (
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    Thread,
    ThreadIfExists,
    ThreadStatus,
    ThreadView,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.postgres import Pool
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub

KEEP = ThreadIfExists.THREAD_IF_EXISTS_KEEP

WRONG_METADATA = [
    ("", "INVALID_JSON"),
    ("{", "INVALID_JSON"),
    ("null", "INVALID_JSON"),
    ('{"a": NaN}', "INVALID_JSON"),
    ('{"a": "\\u0000"}', "INVALID_JSON"),
    ('{"a": "\\ud800"}', "INVALID_JSON"),
    ('{"a": 1e999999}', "INVALID_JSON"),
    ('{"a": 1e-999999}', "INVALID_JSON"),
    ('{"a":' * 65 + "1" + "}" * 65, "INVALID_JSON"),
    ('{"a": "' + "x" * 65536 + '"}', "PAYLOAD_TOO_LARGE"),
    ('{"a": "' + "ä" * 33000 + '"}', "PAYLOAD_TOO_LARGE"),
]


async def get(threads: ThreadsServiceAsyncStub, thread_id: str, view: ThreadView | None = None) -> Thread:
    return (await threads.GetThread(GetThreadRequest(thread_id=thread_id, view=view))).thread


async def test_a_thread_without_an_id_gets_a_uuid_that_sorts_by_time(threads: ThreadsServiceAsyncStub) -> None:
    made = (await threads.CreateThread(CreateThreadRequest())).thread
    assert UUID(made.thread_id).version == 7
    assert (made.status, made.metadata.text) == (ThreadStatus.THREAD_STATUS_IDLE, "{}")
    assert made.create_time == made.update_time
    assert not made.HasField("values")
    assert not made.HasField("state_update_time")
    assert not made.HasField("error")
    assert made.graph_id == ""


async def test_a_thread_is_returned_as_it_was_created(threads: ThreadsServiceAsyncStub) -> None:
    metadata = Json(text='{"user": "u-1", "big": 9007199254740993}')
    made = (await threads.CreateThread(CreateThreadRequest(thread_id="t-1", metadata=metadata))).thread
    assert json.loads(made.metadata.text) == {"user": "u-1", "big": 9007199254740993}
    assert await get(threads, "t-1") == made


async def test_the_same_request_again_is_the_same_thread(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    request = CreateThreadRequest(thread_id="t-1", metadata=Json(text='{"a": 1}'))
    answers = await asyncio.gather(*[threads.CreateThread(request) for _ in range(8)])
    assert all(answer == answers[0] for answer in answers)
    assert await rows.count("threads") == 1


async def test_a_thread_may_be_created_for_a_graph(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    request = CreateThreadRequest(thread_id="t-1", graph_id="agent", metadata=Json(text='{"a": 1}'))
    made = (await threads.CreateThread(request)).thread
    assert (made.graph_id, json.loads(made.metadata.text)) == ("agent", {"a": 1, "graph_id": "agent"})
    assert (await threads.CreateThread(request)).thread == made


async def test_a_thread_for_a_graph_that_nobody_published_is_refused(
    threads: ThreadsServiceAsyncStub, rows: Rows
) -> None:
    answer = await refused(threads.CreateThread(CreateThreadRequest(graph_id="none")))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "GRAPH_NOT_FOUND")
    assert answer.metadata == {"graph_id": "none"}
    assert await rows.count("threads") == 0


async def test_another_request_with_a_used_id_is_refused(threads: ThreadsServiceAsyncStub) -> None:
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    answer = await refused(threads.CreateThread(CreateThreadRequest(thread_id="t-1", metadata=Json(text='{"a": 1}'))))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")
    assert answer.metadata == {"id": "t-1"}
    assert (await get(threads, "t-1")).metadata.text == "{}"


async def test_another_request_with_a_used_id_may_keep_what_is_there(threads: ThreadsServiceAsyncStub) -> None:
    made = await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    again = CreateThreadRequest(thread_id="t-1", metadata=Json(text='{"a": 1}'), if_exists=KEEP)
    assert await threads.CreateThread(again) == made


async def test_a_wrong_thread_is_refused_with_all_violations_and_not_created(
    threads: ThreadsServiceAsyncStub, rows: Rows
) -> None:
    request = CreateThreadRequest(thread_id="no spaces", metadata=Json(text="[1]"), if_exists=9)  # type: ignore[arg-type]
    request.ttl.duration.seconds = 59
    answer = await refused(threads.CreateThread(request))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert answer.violations == {
        "thread_id": "FIELD_INVALID",
        "metadata": "INVALID_JSON",
        "if_exists": "UNKNOWN_ENUM_VALUE",
        "ttl.duration": "FIELD_OUT_OF_RANGE",
    }
    assert await rows.count("threads") == 0


async def test_metadata_that_is_no_small_json_object_is_refused(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    for text, reason in WRONG_METADATA:
        answer = await refused(threads.CreateThread(CreateThreadRequest(metadata=Json(text=text))))
        assert (answer.reason, answer.violations) == (reason, {"metadata": reason}), text[:32]
    assert await rows.count("threads") == 0


async def test_get_and_delete_need_a_valid_id(threads: ThreadsServiceAsyncStub) -> None:
    unknown_view = GetThreadRequest(thread_id="x" * 129, view=7)  # type: ignore[arg-type]
    answer = await refused(threads.GetThread(unknown_view))
    assert answer.violations == {"thread_id": "FIELD_INVALID", "view": "UNKNOWN_ENUM_VALUE"}
    answer = await refused(threads.DeleteThread(DeleteThreadRequest()))
    assert answer.violations == {"thread_id": "FIELD_REQUIRED"}


async def test_another_tenants_thread_is_not_found(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await pool.execute("INSERT INTO threads (tenant, thread_id) VALUES ('other', 't-1')")
    assert (await refused(threads.GetThread(GetThreadRequest(thread_id="t-1")))).reason == "THREAD_NOT_FOUND"
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    await threads.DeleteThread(DeleteThreadRequest(thread_id="t-1"))
    assert await pool.fetchval("SELECT count(*) FROM threads WHERE tenant = 'other'") == 1


async def test_a_thread_is_busy_while_a_run_is_pending_or_running(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    run_id = await rows.run("t-1", assistant_id)
    pending = await get(threads, "t-1")
    assert (pending.status, pending.graph_id) == (ThreadStatus.THREAD_STATUS_BUSY, "agent")
    assert json.loads(pending.metadata.text) == {"graph_id": "agent", "assistant_id": assistant_id}
    await rows.claim(run_id)
    assert (await get(threads, "t-1")).status == ThreadStatus.THREAD_STATUS_BUSY
    await rows.finish(run_id)
    assert (await get(threads, "t-1")).status == ThreadStatus.THREAD_STATUS_IDLE


async def test_a_full_view_has_values_and_interrupts(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    run_id = await rows.run("t-1", assistant_id)
    await rows.claim(run_id)
    interrupts = (
        '[{"id": "i-1", "value": {"n": 9007199254740993123456}, "ns": ["sub:1"]},'
        ' {"id": "i-2", "value": null, "ns": [], "response_schema": {"type": "null"}}, {"id": "i-3"}]'
    )
    values = '{"n": 18446744073709551617}'
    await rows.finish(run_id, "interrupted", values=values, interrupts=interrupts)
    full = await get(threads, "t-1")
    assert full.status == ThreadStatus.THREAD_STATUS_INTERRUPTED
    assert full.values.text == values
    assert full.HasField("state_update_time")
    first, second, third = full.interrupts
    assert (first.interrupt_id, first.value.text) == ("i-1", '{"n": 9007199254740993123456}')
    assert (list(first.namespace), list(second.namespace)) == (["sub:1"], [])
    assert second.value.text == "null"
    assert (second.response_schema.text, third.HasField("response_schema")) == ('{"type": "null"}', False)
    assert not third.HasField("value")

    basic = await get(threads, "t-1", ThreadView.THREAD_VIEW_BASIC)
    assert not basic.HasField("values")
    assert not basic.interrupts
    assert basic.state_update_time == full.state_update_time


async def test_an_error_is_told_until_the_next_run_begins(threads: ThreadsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    run_id = await rows.run("t-1", assistant_id)
    await rows.claim(run_id)
    await rows.finish(run_id, "error", error=("ValueError", "no"))
    failed = await get(threads, "t-1")
    assert failed.status == ThreadStatus.THREAD_STATUS_ERROR
    assert (failed.error.type, failed.error.message) == ("ValueError", "no")
    await rows.run("t-1", assistant_id)
    assert not (await get(threads, "t-1")).HasField("error")


async def test_deleting_a_thread_deletes_everything_under_it_and_nothing_else(
    threads: ThreadsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    assistant_id = await rows.graph("agent")
    for thread_id in ["t-1", "t-2"]:
        await threads.CreateThread(CreateThreadRequest(thread_id=thread_id))
        run_id = await rows.run(thread_id, assistant_id)
        await rows.claim(run_id)
        await rows.finish(run_id)
        await rows.checkpoint(thread_id, run_id)
        await pool.execute(
            "INSERT INTO state_requests (request_id, tenant, thread_id, graph_id, kind, request, deadline_at)"
            " VALUES (gen_random_uuid(), 'default', $1, 'agent', 'get', '', now())",
            thread_id,
        )
    await pool.execute("UPDATE runs SET event_log = true")
    await threads.DeleteThread(DeleteThreadRequest(thread_id="t-1"))
    for table in ["threads", "runs", "state_requests", "checkpoints", "checkpoint_blobs", "checkpoint_writes"]:
        assert [row[0] for row in await pool.fetch(f"SELECT thread_id FROM {table}")] == ["t-2"], table
    assert await rows.count("run_events") == await rows.count("runs")


async def test_deleting_a_thread_stops_its_running_run(threads: ThreadsServiceAsyncStub, rows: Rows, bus: Bus) -> None:
    assistant_id = await rows.graph("agent")
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    running, pending = await rows.run("t-1", assistant_id), await rows.run("t-1", assistant_id)
    worker_id = await rows.claim(running)
    told: asyncio.Queue[bytes | None] = asyncio.Queue()
    followed: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), told.put_nowait),
        subscriptions.listen(bus.keys.events(RunKey(DEFAULT_TENANT, pending)), followed.put_nowait),
    ):
        await threads.DeleteThread(DeleteThreadRequest(thread_id="t-1"))
        async with asyncio.timeout(5):
            assert await told.get() == f"{running} interrupt".encode()
            assert await followed.get() == b""
    assert await rows.count("runs") == 0


async def test_a_deleted_thread_waits_for_a_write_in_progress_and_removes_it(
    threads: ThreadsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    assistant_id = await rows.graph("agent")
    await threads.CreateThread(CreateThreadRequest(thread_id="t-1"))
    run_id = await rows.run("t-1", assistant_id)
    await rows.claim(run_id)
    async with pool.acquire() as worker:
        transaction = worker.transaction()
        await transaction.start()
        await worker.execute("SELECT FROM runs WHERE run_id = $1 FOR SHARE", run_id)
        deletion = asyncio.ensure_future(threads.DeleteThread(DeleteThreadRequest(thread_id="t-1")))
        async with asyncio.timeout(5):
            while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        await worker.execute("INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('t-1', '1', '{}')")
        await transaction.commit()
    await deletion
    assert await rows.count("checkpoints") == 0
