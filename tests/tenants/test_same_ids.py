"""Two tenants that use the same ids for everything never meet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import grpc
import pytest

from runwire.api.dispatch.v1 import runs_pb2, thread_state_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import Platform, kinds, status
from tests.tenants.conftest import Tenants
from tests.tenants.test_foreign_ids import counts, digests


@pytest.fixture
def ids() -> Mapping[str, str]:
    """Ids that both tenants use."""
    return {"run_id": str(uuid4()), "thread": f"t-{uuid4()}", "assistant": f"a-{uuid4()}"}


@pytest.fixture
async def named(tenants: Tenants, ids: Mapping[str, str]) -> Mapping[str, str]:
    """Both have an assistant of that id, of other graphs."""
    for tenant, graph in ((tenants.a, "echo"), (tenants.b, "steps")):
        create = assistants_pb2.CreateAssistantRequest(assistant_id=ids["assistant"], graph_id=graph)
        await tenant.assistants.CreateAssistant(create)
    return ids


async def both(tenants: Tenants, ids: Mapping[str, str], **fields: Any) -> None:
    """The same run on the same thread, at once in both tenants, to its end."""
    made = {"thread": ids["thread"], "run_id": ids["run_id"], **fields}
    ended = await asyncio.gather(
        tenants.a.run("steps", {"count": 100}, **made), tenants.b.run("steps", {"count": 0}, **made)
    )
    assert [status(end) for end in ended] == ["success", "success"]


def count(text: str) -> int:
    """What the graph has counted."""
    found: int = json.loads(text)["count"]
    return found


async def test_runs_events_states_and_histories_are_each_tenants_own(tenants: Tenants, ids: Mapping[str, str]) -> None:
    await both(tenants, ids, modes=["values"])
    for tenant, first in ((tenants.a, 100), (tenants.b, 0)):
        events = await tenant.events(ids["run_id"])
        values = [event.values.values.text for event in events if event.WhichOneof("payload") == "values"]
        assert kinds(events)[0] == "started"
        assert [count(text) for text in values] == list(range(first, first + 7))
        of_thread = stream_pb2.StreamThreadRequest(thread_id=ids["thread"], after_event_id="0")
        told = await _first_run_of_thread(tenant, of_thread)
        assert [count(text) for text in told] == list(range(first, first + 7))
        assert count((await tenant.state(ids["thread"])).values.text) == first + 6
        asked = thread_state_pb2.ListThreadHistoryRequest(thread_id=ids["thread"])
        history = await tenant.thread_state.ListThreadHistory(asked, timeout=20)
        assert max(count(state.values.text) for state in history.states if state.values.text != "{}") == first + 6


async def _first_run_of_thread(tenant: Platform, asked: stream_pb2.StreamThreadRequest) -> list[str]:
    values = []
    async with asyncio.timeout(20):
        async for response in tenant.stream.StreamThread(asked):
            for event in response.events:
                if event.WhichOneof("payload") == "values":
                    values.append(event.values.values.text)
                if event.WhichOneof("payload") == "finished":
                    return values
    return values


async def test_an_assistant_of_the_same_id_is_another_one(tenants: Tenants, named: Mapping[str, str]) -> None:
    runs = await asyncio.gather(
        *(t.create(named["assistant"], {}, run_id=named["run_id"]) for t in (tenants.a, tenants.b))
    )
    assert [run.graph_id for run in runs] == ["echo", "steps"]
    await tenants.a.finish(named["run_id"])
    before = await digests(tenants.pool, "a")
    await tenants.b.assistants.DeleteAssistant(
        assistants_pb2.DeleteAssistantRequest(assistant_id=named["assistant"], delete_threads=True)
    )
    assert await digests(tenants.pool, "a") == before


async def test_a_cancel_stops_the_callers_own_run(tenants: Tenants, ids: Mapping[str, str]) -> None:
    made = {"thread": ids["thread"], "run_id": ids["run_id"]}
    for tenant in (tenants.a, tenants.b):
        await tenant.create("steps", {"delay": 0.5}, **made)
        await tenant.reached(ids["run_id"], "started")
    await tenants.b.cancel(ids["run_id"])
    assert status(await tenants.b.finish(ids["run_id"])) == "cancelled"
    assert status(await tenants.a.finish(ids["run_id"])) == "success"


async def test_a_rollback_undoes_the_callers_own_run(tenants: Tenants, ids: Mapping[str, str]) -> None:
    await both(tenants, ids)
    later = {"thread": ids["thread"], "run_id": str(uuid4())}
    for tenant in (tenants.a, tenants.b):
        await tenant.create("steps", {"count": 10, "delay": 0.3}, **later)
        await tenant.reached(later["run_id"], "started")
    await tenants.b.cancel(later["run_id"], rollback=True)
    await tenants.a.finish(later["run_id"])
    async with asyncio.timeout(20):
        while (
            await tenants.b.runs.CountRuns(runs_pb2.CountRunsRequest(filter={"thread_id": ids["thread"]}))
        ).count > 1:
            await asyncio.sleep(0.05)
    assert count((await tenants.b.state(ids["thread"])).values.text) == 6
    assert count((await tenants.a.state(ids["thread"])).values.text) == 100 + 6 + 10 + 6


@pytest.mark.parametrize("work", ["prune", "prune all", "copy", "delete", "delete run", "update", "batch cancel"])
async def test_what_one_does_to_its_thread_does_nothing_to_the_others(
    tenants: Tenants, ids: Mapping[str, str], work: str
) -> None:
    await both(tenants, ids)
    thread_id = ids["thread"]
    before, had = await digests(tenants.pool, "a"), await counts(tenants.pool, "b")
    match work:
        case "prune":
            keep = threads_pb2.TTL_STRATEGY_KEEP_LATEST
            await tenants.b.threads.PruneThreads(threads_pb2.PruneThreadsRequest(thread_ids=[thread_id], strategy=keep))
        case "prune all":
            away = threads_pb2.TTL_STRATEGY_DELETE
            await tenants.b.threads.PruneThreads(threads_pb2.PruneThreadsRequest(thread_ids=[thread_id], strategy=away))
        case "copy":
            copy = threads_pb2.CopyThreadRequest(thread_id=thread_id, target_thread_id=f"copy-of-{thread_id}")
            await tenants.b.threads.CopyThread(copy)
            assert count((await tenants.b.state(f"copy-of-{thread_id}")).values.text) == 6
        case "delete":
            await tenants.b.threads.DeleteThread(threads_pb2.DeleteThreadRequest(thread_id=thread_id))
        case "delete run":
            await tenants.b.runs.DeleteRun(runs_pb2.DeleteRunRequest(run_id=ids["run_id"]))
        case "update":
            update = thread_state_pb2.UpdateThreadStateRequest(
                thread_id=thread_id, updates=[{"values": Json(text='{"count":1}'), "as_node": "step5"}]
            )
            await tenants.b.thread_state.UpdateThreadState(update, timeout=20)
        case "batch cancel":
            await tenants.b.create("steps", {"delay": 0.2}, thread=thread_id)
            await tenants.b.runs.BatchCancelRuns(runs_pb2.BatchCancelRunsRequest(thread_id=thread_id))
    assert await counts(tenants.pool, "b") != had
    assert await digests(tenants.pool, "a") == before


async def test_lists_and_counts_show_the_callers_own(tenants: Tenants, ids: Mapping[str, str]) -> None:
    await tenants.a.run("echo", {"text": "a"}, run_id=ids["run_id"], thread=ids["thread"])
    runs = runs_pb2.ListRunsRequest(filter={"thread_id": ids["thread"]})
    threads = {"thread_ids": [ids["thread"]]}
    assert not (await tenants.b.runs.ListRuns(runs)).runs
    assert not (await tenants.b.threads.ListThreads(threads_pb2.ListThreadsRequest(filter=threads))).threads
    assert (await tenants.b.threads.CountThreads(threads_pb2.CountThreadsRequest(filter=threads))).count == 0
    everything = threads_pb2.ListThreadsRequest(page_size=1000)
    assert ids["thread"] not in {t.thread_id for t in (await tenants.b.threads.ListThreads(everything)).threads}


async def test_a_page_token_of_another_tenant_leads_into_the_callers_own_list(tenants: Tenants) -> None:
    for tenant, name in ((tenants.a, "page-a"), (tenants.b, "page-b")):
        for number in range(3):
            await tenant.threads.CreateThread(threads_pb2.CreateThreadRequest(thread_id=f"{name}-{number}-{uuid4()}"))
    asked = threads_pb2.ListThreadsRequest(page_size=1)
    asked.page_token = (await tenants.a.threads.ListThreads(asked)).next_page_token
    asked.page_size = 1000
    found = (await tenants.b.threads.ListThreads(asked)).threads
    assert not [thread for thread in found if thread.thread_id.startswith("page-a")]


async def test_items_of_the_same_key_are_each_tenants_own(tenants: Tenants) -> None:
    place: dict[str, Any] = {"namespace": ["shared", str(uuid4())], "key": "k"}
    await tenants.a.store.PutItem(store_pb2.PutItemRequest(**place, value=Json(text='{"of":"a"}')))
    get, search = store_pb2.GetItemRequest(**place), store_pb2.SearchItemsRequest(namespace_prefix=["shared"])
    with pytest.raises(grpc.aio.AioRpcError, match="no item"):
        await tenants.b.store.GetItem(get)
    assert not (await tenants.b.store.SearchItems(search)).items
    await tenants.b.store.PutItem(store_pb2.PutItemRequest(**place, value=Json(text='{"of":"b"}')))
    assert json.loads((await tenants.a.store.GetItem(get)).item.value.text) == {"of": "a"}
    await tenants.b.store.DeleteItem(store_pb2.DeleteItemRequest(**place))
    assert json.loads((await tenants.a.store.GetItem(get)).item.value.text) == {"of": "a"}


async def test_a_follower_hears_nothing_of_the_other_tenants_run(tenants: Tenants, ids: Mapping[str, str]) -> None:
    delayed = {"thread": ids["thread"], "run_id": ids["run_id"]}
    waiting = runs_pb2.CreateRunRequest(assistant_id="steps", input=Json(text="{}"), run_id=ids["run_id"])
    waiting.start_delay.FromSeconds(3600)
    await tenants.b.runs.CreateRun(waiting)
    heard: list[str] = []

    async def follow() -> None:
        async for event in tenants.b.follow(ids["run_id"]):
            heard.append(event.WhichOneof("payload") or "")

    following = asyncio.create_task(follow())
    await tenants.a.run("steps", {"count": 1}, **delayed, modes=["values"])
    await tenants.b.cancel(ids["run_id"])
    async with asyncio.timeout(20):
        await following
    assert heard == ["finished"]
    assert (await tenants.b.get(ids["run_id"])).status == run_pb2.RUN_STATUS_CANCELLED
