"""Changes of a thread, and its time to live."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.resource.v1.threads_pb2 import (
    CreateThreadRequest,
    GetThreadRequest,
    ListThreadsRequest,
    Thread,
    ThreadTtl,
    TtlStrategy,
    UpdateThreadRequest,
)
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.resource.__main__ import running
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub

HOUR = ThreadTtl(duration=Duration(seconds=3600))
KEEP_LATEST = TtlStrategy.TTL_STRATEGY_KEEP_LATEST


async def create(threads: ThreadsServiceAsyncStub, **fields: Any) -> Thread:
    return (await threads.CreateThread(CreateThreadRequest(**{"thread_id": "t-1", **fields}))).thread


async def update(threads: ThreadsServiceAsyncStub, **fields: Any) -> Thread:
    return (await threads.UpdateThread(UpdateThreadRequest(**{"thread_id": "t-1", **fields}))).thread


def life(thread: Thread) -> timedelta:
    """From the last change to the end."""
    span: timedelta = thread.expire_time.ToDatetime() - thread.update_time.ToDatetime()
    return span


async def test_metadata_is_merged_key_by_key(threads: ThreadsServiceAsyncStub) -> None:
    made = await create(threads, metadata=Json(text='{"a": {"x": 1}, "b": 1}'))
    changed = await update(threads, metadata=Json(text='{"a": {"y": 2}, "c": null}'))
    assert json.loads(changed.metadata.text) == {"a": {"y": 2}, "b": 1, "c": None}
    assert changed.create_time == made.create_time
    assert changed.update_time.ToDatetime() > made.update_time.ToDatetime()
    assert (await threads.GetThread(GetThreadRequest(thread_id="t-1"))).thread == changed


async def test_an_update_of_nothing_changes_nothing(threads: ThreadsServiceAsyncStub) -> None:
    made = await create(threads, ttl=HOUR)
    assert await update(threads) == made


async def test_a_thread_without_a_time_to_live_has_no_end(threads: ThreadsServiceAsyncStub) -> None:
    made = await create(threads)
    assert not made.HasField("ttl")
    assert not made.HasField("expire_time")


@pytest.mark.parametrize("strategy", TtlStrategy.values())
@pytest.mark.parametrize("seconds", [60, 86_400, 10 * 365 * 86_400])
async def test_a_time_to_live_counts_from_the_creation(
    threads: ThreadsServiceAsyncStub, strategy: TtlStrategy, seconds: int
) -> None:
    made = await create(threads, ttl=ThreadTtl(strategy=strategy, duration=Duration(seconds=seconds)))
    assert made.ttl.strategy == strategy or TtlStrategy.TTL_STRATEGY_DELETE
    assert (made.ttl.duration.ToTimedelta(), life(made)) == (timedelta(seconds=seconds), timedelta(seconds=seconds))
    [listed] = (await threads.ListThreads(ListThreadsRequest())).threads
    assert (listed.ttl, listed.expire_time) == (made.ttl, made.expire_time)


async def test_a_time_to_live_is_replaced_and_counts_anew(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await create(threads, ttl=HOUR)
    await pool.execute("UPDATE threads SET updated_at = now() - interval '30 minutes'")
    changed = await update(threads, ttl=ThreadTtl(strategy=KEEP_LATEST, duration=Duration(seconds=120)))
    assert (changed.ttl.strategy, life(changed)) == (KEEP_LATEST, timedelta(seconds=120))
    assert changed.update_time.ToDatetime() > changed.create_time.ToDatetime()


async def test_any_change_makes_the_time_to_live_count_anew(
    threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows
) -> None:
    assistant_id = await rows.graph("agent")
    made = await create(threads, ttl=HOUR)
    changed = await update(threads, metadata=Json(text="{}"))
    assert changed.expire_time.ToDatetime() > made.expire_time.ToDatetime()
    run_id = await rows.run("t-1", assistant_id)
    await rows.claim(run_id)
    await rows.finish(run_id)
    ran = (await threads.GetThread(GetThreadRequest(thread_id="t-1"))).thread
    assert ran.expire_time.ToDatetime() > changed.expire_time.ToDatetime()
    assert life(ran) == timedelta(hours=1)


async def test_a_time_to_live_is_removed(threads: ThreadsServiceAsyncStub) -> None:
    await create(threads, ttl=HOUR)
    changed = await update(threads, clear_ttl=True)
    assert not changed.HasField("ttl")
    assert not changed.HasField("expire_time")


@pytest.fixture
def with_default(settings: Settings, tmp_path: Path) -> Settings:
    """Settings for a project whose threads live for two hours, and then keep their latest state."""
    file = tmp_path / "langgraph.json"
    file.write_text('{"checkpointer": {"ttl": {"strategy": "keep_latest", "default_ttl": 120}}}')
    return settings.model_copy(update={"graphs": file})


async def test_the_projects_time_to_live_is_for_threads_that_do_not_say(with_default: Settings) -> None:
    async with running(with_default) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        threads: ThreadsServiceAsyncStub = ThreadsServiceStub(channel)
        default, own = await create(threads), await create(threads, thread_id="t-2", ttl=HOUR)
        assert (default.ttl.strategy, life(default)) == (KEEP_LATEST, timedelta(hours=2))
        assert (own.ttl.strategy, life(own)) == (TtlStrategy.TTL_STRATEGY_DELETE, timedelta(hours=1))
        assert not (await update(threads, clear_ttl=True)).HasField("ttl")


WRONG_TTLS = [
    (ThreadTtl(), {"ttl.duration": "FIELD_REQUIRED"}),
    (ThreadTtl(strategy=9, duration=HOUR.duration), {"ttl.strategy": "UNKNOWN_ENUM_VALUE"}),  # type: ignore[arg-type]
    (ThreadTtl(duration=Duration()), {"ttl.duration": "FIELD_OUT_OF_RANGE"}),
    (ThreadTtl(duration=Duration(seconds=59, nanos=999_999_999)), {"ttl.duration": "FIELD_OUT_OF_RANGE"}),
    (ThreadTtl(duration=Duration(seconds=10 * 365 * 86_400 + 1)), {"ttl.duration": "FIELD_OUT_OF_RANGE"}),
    (ThreadTtl(duration=Duration(seconds=-60)), {"ttl.duration": "FIELD_OUT_OF_RANGE"}),
    (ThreadTtl(duration=Duration(seconds=2**62)), {"ttl.duration": "FIELD_OUT_OF_RANGE"}),
]


@pytest.mark.parametrize(("ttl", "violations"), WRONG_TTLS)
async def test_a_wrong_time_to_live_is_refused(
    threads: ThreadsServiceAsyncStub, rows: Rows, ttl: ThreadTtl, violations: dict[str, str]
) -> None:
    calls: list[Awaitable[object]] = [create(threads, ttl=ttl), update(threads, ttl=ttl)]
    for call in calls:
        assert (await refused(call)).violations == violations
    assert await rows.count("threads") == 0


async def test_a_wrong_update_is_refused_with_all_violations(threads: ThreadsServiceAsyncStub) -> None:
    answer = await refused(update(threads, thread_id="t 1", metadata=Json(text="[]"), ttl=HOUR, clear_ttl=True))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert answer.violations == {
        "thread_id": "FIELD_INVALID",
        "metadata": "INVALID_JSON",
        "clear_ttl": "FIELDS_CONFLICT",
    }


async def test_an_unknown_thread_is_not_found(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await pool.execute("INSERT INTO threads (tenant, thread_id) VALUES ('other', 'theirs')")
    for thread_id in ["nobody", "theirs"]:
        answer = await refused(update(threads, thread_id=thread_id, metadata=Json(text='{"a": 1}')))
        assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "THREAD_NOT_FOUND")
        assert answer.metadata == {"thread_id": thread_id}
    assert await pool.fetchval("SELECT metadata FROM threads") == "{}"
