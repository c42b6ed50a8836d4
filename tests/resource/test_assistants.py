from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from itertools import product
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest

from runwire.api.resource.v1.assistants_pb2 import (
    Assistant,
    AssistantFilter,
    AssistantSortBy,
    CreateAssistantRequest,
    DeleteAssistantRequest,
    GetAssistantRequest,
    IfExists,
    ListAssistantsRequest,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from tests.harness.databases import held_up
from tests.harness.waiting import until
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub

ASCENDING, DESCENDING = SortOrder.SORT_ORDER_ASCENDING, SortOrder.SORT_ORDER_DESCENDING
BY_NAME = AssistantSortBy.ASSISTANT_SORT_BY_NAME


async def create(assistants: AssistantsServiceAsyncStub, assistant_id: str, **fields: object) -> Assistant:
    fields = {"graph_id": "agent", **fields}
    request = CreateAssistantRequest(assistant_id=assistant_id, **fields)  # type: ignore[arg-type]
    return (await assistants.CreateAssistant(request)).assistant


async def get(assistants: AssistantsServiceAsyncStub, name: str) -> Assistant:
    return (await assistants.GetAssistant(GetAssistantRequest(assistant_id=name))).assistant


async def test_an_assistant_is_returned_as_it_was_created(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    config = RunConfig(tags=["a", "b"], recursion_limit=7)
    made = await create(
        assistants,
        "a-1",
        name="Writer",
        description="writes",
        config=config,
        context=Json(text='{ "b": 1,  "a": 18446744073709551617 }'),
        metadata=Json(text='{"team": "x"}'),
    )
    assert (made.assistant_id, made.graph_id, made.version) == ("a-1", "agent", 1)
    assert (made.name, made.description, made.is_default) == ("Writer", "writes", False)
    assert made.config == config
    assert made.context.text == '{ "b": 1,  "a": 18446744073709551617 }'
    assert made.metadata.text == '{"team": "x"}'
    assert made.create_time == made.update_time
    assert await get(assistants, "a-1") == made


async def test_what_is_left_out_has_its_documented_default(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    made = await create(assistants, "")
    assert UUID(made.assistant_id).version == 7
    assert (made.name, made.description, made.metadata.text) == ("Untitled", "", "{}")
    assert not made.HasField("context")
    assert made.config == RunConfig()


async def test_the_same_request_again_is_the_same_assistant(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    answers = await asyncio.gather(*[create(assistants, "a-1", name="Writer") for _ in range(8)])
    assert all(answer == answers[0] for answer in answers)
    assert await rows.count("assistant_versions") == 2


async def test_another_request_with_a_used_id_is_refused_or_keeps_what_is_there(
    assistants: AssistantsServiceAsyncStub, rows: Rows
) -> None:
    await rows.graph("agent")
    made = await create(assistants, "a-1")
    answer = await refused(create(assistants, "a-1", name="other"))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")
    assert answer.metadata == {"id": "a-1"}
    kept = await create(assistants, "a-1", name="other", if_exists=IfExists.IF_EXISTS_KEEP)
    assert kept == made


async def test_a_default_assistant_is_not_created_again(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    assert (await refused(create(assistants, assistant_id))).reason == "ID_REUSED"


async def test_an_unknown_graph_is_not_found_and_nothing_is_created(
    assistants: AssistantsServiceAsyncStub, rows: Rows
) -> None:
    answer = await refused(create(assistants, "a-1", graph_id="nothing"))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "GRAPH_NOT_FOUND")
    assert answer.metadata == {"graph_id": "nothing"}
    assert await rows.count("assistants") == 0


async def test_a_wrong_assistant_is_refused_with_all_violations_and_not_created(
    assistants: AssistantsServiceAsyncStub, rows: Rows
) -> None:
    request = CreateAssistantRequest(
        assistant_id="a/1",
        name="ä" * 129,
        description="nul\0",
        context=Json(text="[]"),
        metadata=Json(text="{}}"),
        config=RunConfig(
            tags=["ok", "x" * 129],
            recursion_limit=0,
            configurable=Json(text='{"thread_id": "t", "mine": 1, "__pregel_x": 2}'),
        ),
        if_exists=5,  # type: ignore[arg-type]
    )
    answer = await refused(assistants.CreateAssistant(request))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert answer.violations == {
        "assistant_id": "FIELD_INVALID",
        "graph_id": "FIELD_REQUIRED",
        "name": "PAYLOAD_TOO_LARGE",
        "description": "FIELD_INVALID",
        "context": "FIELDS_CONFLICT",
        "metadata": "INVALID_JSON",
        "config.tags[1]": "PAYLOAD_TOO_LARGE",
        "config.recursion_limit": "FIELD_OUT_OF_RANGE",
        "config.configurable": "FIELD_INVALID",
        "if_exists": "UNKNOWN_ENUM_VALUE",
    }
    assert await rows.count("assistants") == 0


async def test_one_violation_gives_its_own_reason(assistants: AssistantsServiceAsyncStub) -> None:
    many = RunConfig(tags=["t"] * 65)
    answer = await refused(create(assistants, "a-1", config=many))
    assert (answer.reason, answer.violations) == ("FIELD_OUT_OF_RANGE", {"config.tags": "FIELD_OUT_OF_RANGE"})
    answer = await refused(create(assistants, "a-1", description="x" * 4097))
    assert (answer.reason, answer.violations) == ("PAYLOAD_TOO_LARGE", {"description": "PAYLOAD_TOO_LARGE"})


async def test_a_graphs_name_finds_its_default_assistant(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    found = await get(assistants, "agent")
    assert (found.assistant_id, found.graph_id, found.is_default) == (assistant_id, "agent", True)
    assert await get(assistants, assistant_id) == found


async def test_an_assistants_own_id_comes_before_a_graphs(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await create(assistants, "agent", name="mine")
    assert (await get(assistants, "agent")).name == "mine"


async def test_an_unknown_assistant_is_not_found(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await rows.assistant("theirs", "agent", tenant="other")
    for name in ["nobody", "theirs"]:
        calls: list[Awaitable[object]] = [
            assistants.GetAssistant(GetAssistantRequest(assistant_id=name)),
            assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id=name)),
        ]
        for call in calls:
            answer = await refused(call)
            assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND")
            assert answer.metadata == {"assistant_id": name}


async def test_get_and_delete_need_a_valid_id(assistants: AssistantsServiceAsyncStub) -> None:
    calls: dict[str, Awaitable[object]] = {
        "FIELD_REQUIRED": assistants.GetAssistant(GetAssistantRequest()),
        "FIELD_INVALID": assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id="no spaces")),
    }
    for reason, call in calls.items():
        answer = await refused(call)
        assert (answer.reason, answer.violations) == (reason, {"assistant_id": reason})


async def listed(assistants: AssistantsServiceAsyncStub, request: ListAssistantsRequest) -> AsyncIterator[Assistant]:
    while True:
        answer = await assistants.ListAssistants(request)
        for assistant in answer.assistants:
            yield assistant
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


async def ids(assistants: AssistantsServiceAsyncStub, **fields: object) -> list[str]:
    request = ListAssistantsRequest(**fields)  # type: ignore[arg-type]
    return [assistant.assistant_id async for assistant in listed(assistants, request)]


async def test_pages_show_every_assistant_once_in_order(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    await rows.graph("agent")
    for n in range(6):
        await rows.assistant(f"a-{n}", "agent")
    await pool.execute("DELETE FROM assistants WHERE is_default")
    # a-0 and a-1, a-2 and a-3, ... differ by their ids alone.
    await pool.execute("UPDATE assistant_versions SET name = 'n' || substr(assistant_id, 3)::int / 2")
    await pool.execute(
        "UPDATE assistants SET updated_at = '2026-01-01'::timestamptz + substr(assistant_id, 3)::int / 2"
        " * interval '1 us', created_at = '2026-01-01'::timestamptz + substr(assistant_id, 3)::int / 2"
        " * interval '1 d'"
    )
    expected = [f"a-{n}" for n in range(6)]
    for sort_by, page_size in product(AssistantSortBy.values(), [1, 2, 6, 7]):
        fields = {"sort_by": sort_by, "page_size": page_size}
        assert await ids(assistants, order=ASCENDING, **fields) == expected, fields
        assert await ids(assistants, order=DESCENDING, **fields) == expected[::-1], fields
        assert await ids(assistants, **fields) == expected[::-1], fields


async def test_filters_add_up(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await rows.graph("other")
    await create(assistants, "a-1", name="Invoice 100%", metadata=Json(text='{"team": {"x": 1, "y": 2}}'))
    await create(assistants, "a-2", name="invoices", graph_id="other", metadata=Json(text='{"team": {"x": 1}}'))
    await create(assistants, "a-3", name="INVOICE", metadata=Json(text='{"team": {"x": 2}}'))
    team = Json(text='{"team": {"x": 1}}')
    assert await ids(assistants, filter=AssistantFilter(name_contains="Voice")) == ["a-3", "a-2", "a-1"]
    assert await ids(assistants, filter=AssistantFilter(name_contains="0%")) == ["a-1"]
    assert await ids(assistants, filter=AssistantFilter(name_contains="_")) == []
    assert await ids(assistants, filter=AssistantFilter(metadata_contains=team)) == ["a-2", "a-1"]
    both = AssistantFilter(metadata_contains=team, graph_id="other", name_contains="inv")
    assert await ids(assistants, filter=both) == ["a-2"]


async def test_a_list_shows_the_latest_version_of_the_tenants_assistants(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    await rows.graph("agent")
    await rows.assistant("theirs", "agent", tenant="other")
    await create(assistants, "a-1", name="old", metadata=Json(text='{"v": 1}'))
    await pool.execute(
        "INSERT INTO assistant_versions (assistant_id, version, graph_id, name, metadata)"
        " VALUES ('a-1', 2, 'agent', 'new', '{\"v\": 2}')"
    )
    await pool.execute("UPDATE assistants SET version = 2 WHERE assistant_id = 'a-1'")
    found = [one async for one in listed(assistants, ListAssistantsRequest(sort_by=BY_NAME, order=ASCENDING))]
    assert [(one.name, one.version) for one in found] == [("agent", 1), ("new", 2)]
    old = AssistantFilter(metadata_contains=Json(text='{"v": 1}'))
    assert await ids(assistants, filter=old) == []


async def test_a_wrong_list_is_refused_with_all_violations(assistants: AssistantsServiceAsyncStub) -> None:
    request = ListAssistantsRequest(
        page_size=-1,
        page_token="bm9wZQ",
        sort_by=77,  # type: ignore[arg-type]
        order=77,  # type: ignore[arg-type]
        filter=AssistantFilter(graph_id="no spaces", name_contains="x" * 257, metadata_contains=Json(text="nope")),
    )
    answer = await refused(assistants.ListAssistants(request))
    assert answer.violations == {
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "sort_by": "UNKNOWN_ENUM_VALUE",
        "order": "UNKNOWN_ENUM_VALUE",
        "filter.graph_id": "FIELD_INVALID",
        "filter.name_contains": "PAYLOAD_TOO_LARGE",
        "filter.metadata_contains": "INVALID_JSON",
    }


async def test_a_token_of_another_order_is_refused(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await create(assistants, "a-1")
    token = (await assistants.ListAssistants(ListAssistantsRequest(page_size=1))).next_page_token
    answer = await refused(assistants.ListAssistants(ListAssistantsRequest(page_token=token, sort_by=BY_NAME)))
    # Its place is a time, and the list is sorted by name; which of the two is said does not matter.
    assert set(answer.violations) == {"page_token"}


async def test_a_default_assistant_stays(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    answer = await refused(assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id=assistant_id)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_IS_DEFAULT")
    assert answer.metadata == {"assistant_id": assistant_id}
    assert (await get(assistants, assistant_id)).is_default


async def test_a_deleted_assistant_is_gone_with_its_versions(
    assistants: AssistantsServiceAsyncStub, rows: Rows
) -> None:
    await rows.graph("agent")
    await create(assistants, "a-1")
    await assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id="a-1"))
    assert (await refused(get(assistants, "a-1"))).reason == "ASSISTANT_NOT_FOUND"
    assert await rows.count("assistant_versions") == 1


async def store_threads(pool: Pool, *thread_ids: str) -> None:
    await pool.executemany("INSERT INTO threads (thread_id) VALUES ($1)", [(name,) for name in thread_ids])


async def test_deleting_an_assistant_cancels_its_active_runs_and_keeps_finished_ones(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool, bus: Bus
) -> None:
    default = await rows.graph("agent")
    await create(assistants, "a-1")
    await store_threads(pool, "t-1", "t-2", "t-3")
    finished = await rows.run("t-1", "a-1")
    await rows.claim(finished)
    await rows.finish(finished)
    running = await rows.run("t-1", "a-1")
    worker_id = await rows.claim(running)
    queued = [await rows.run("t-1", "a-1"), await rows.run("t-2", "a-1"), await rows.run("t-2", "a-1")]
    queued.append(await rows.run(None, "a-1"))
    others = [await rows.run("t-2", default), await rows.run("t-3", default)]
    told: asyncio.Queue[bytes | None] = asyncio.Queue()
    of_thread: asyncio.Queue[bytes | None] = asyncio.Queue()
    waiter = bus.waiter()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), told.put_nowait),
        subscriptions.listen(bus.keys.thread("default", "t-2"), of_thread.put_nowait),
    ):
        await assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id="a-1"))
        async with asyncio.timeout(5):
            assert await told.get() == f"{running} interrupt".encode()
            assert {await of_thread.get(), await of_thread.get()} == {str(run).encode() for run in queued[1:3]}
    assert await waiter.pop([bus.keys.wake("agent")], 1), "t-2's next run is ready now"
    await waiter.aclose()
    found = await pool.fetch("SELECT run_id, status, ready, cancel_action FROM runs")
    runs = {row["run_id"]: tuple(row)[1:] for row in found}
    assert runs[finished] == ("success", False, None)
    assert runs[running] == ("running", False, "interrupt")
    assert {runs[run_id] for run_id in queued} == {("cancelled", False, None)}
    assert {runs[run_id] for run_id in others} == {("pending", True, None)}


async def test_deleting_an_assistant_can_delete_its_threads(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool, bus: Bus
) -> None:
    default = await rows.graph("agent")
    await create(assistants, "a-1")
    await store_threads(pool, "t-1", "t-2", "t-3")
    first, run_id = await rows.run("t-1", "a-1"), await rows.run("t-2", "a-1")
    await rows.claim(first)
    worker_id = await rows.claim(run_id)
    await rows.checkpoint("t-1", first)
    await rows.checkpoint("t-2", run_id)
    await rows.run("t-1", default)
    told: asyncio.Queue[bytes | None] = asyncio.Queue()
    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(worker_id), told.put_nowait),
    ):
        request = DeleteAssistantRequest(assistant_id="a-1", delete_threads=True)
        await assistants.DeleteAssistant(request)
        async with asyncio.timeout(5):
            assert await told.get() == f"{run_id} interrupt".encode()
    # t-1's last run is the default assistant's; t-3 never ran.
    left = await pool.fetch("SELECT thread_id FROM threads ORDER BY thread_id")
    assert [row["thread_id"] for row in left] == ["t-1", "t-3"]
    assert [row["thread_id"] for row in await pool.fetch("SELECT thread_id FROM checkpoints")] == ["t-1"]
    cancelled = await pool.fetchval("SELECT cancel_action FROM runs WHERE assistant_id = 'a-1'")
    assert cancelled == "interrupt"


async def test_the_workers_of_all_runs_that_go_with_an_assistant_are_told_at_once(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rows.graph("agent")
    await create(assistants, "a-1")
    names = [f"t-{number}" for number in range(5)]
    await store_threads(pool, *names)
    for name in names:
        await rows.claim(await rows.run(name, "a-1"))
    told = list[int]()
    cancel = Bus.cancel

    async def counted(bus: Bus, stopping: Any) -> None:
        told.append(len(stopping))
        await cancel(bus, stopping)

    monkeypatch.setattr(Bus, "cancel", counted)
    await assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id="a-1", delete_threads=True))
    assert [count for count in told if count] == [5]


async def test_an_assistant_that_takes_its_threads_along_holds_none_while_it_waits_for_an_earlier_one(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    default = await rows.graph("agent")
    await create(assistants, "a-1")
    await store_threads(pool, "t-1", "t-2")
    # t-2 goes with the assistant; on t-1 it has a run to be cancelled.
    await rows.run("t-2", "a-1")
    await rows.run("t-1", "a-1")
    await rows.run("t-1", default)
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("SELECT FROM threads WHERE thread_id = 't-1' FOR UPDATE")
        request = DeleteAssistantRequest(assistant_id="a-1", delete_threads=True)
        deletion = asyncio.ensure_future(assistants.DeleteAssistant(request))
        await until(lambda: held_up(pool))
        await holder.execute("SELECT FROM threads WHERE thread_id = 't-2' FOR UPDATE NOWAIT")
    await deletion
    assert await rows.count("threads") == 1


async def test_metadata_of_any_json_number_survives(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    made = await create(assistants, "a-1", metadata=Json(text='{"big": 18446744073709551617, "small": 1e-7}'))
    assert json.loads(made.metadata.text) == {"big": 18446744073709551617, "small": 1e-7}
