from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

import grpc
import orjson
import pytest

from runwire.api.resource.v1.assistants_pb2 import (
    Assistant,
    AssistantVersion,
    CreateAssistantRequest,
    GetAssistantRequest,
    ListAssistantVersionsRequest,
    SetLatestAssistantVersionRequest,
    UpdateAssistantRequest,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core import paging
from runwire.core.postgres import Pool
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub


@pytest.fixture
async def made(assistants: AssistantsServiceAsyncStub, rows: Rows) -> Assistant:
    """An assistant in version 1."""
    await rows.graph("agent")
    await rows.graph("other")
    request = CreateAssistantRequest(
        assistant_id="a-1",
        graph_id="agent",
        name="Writer",
        description="writes",
        config=RunConfig(tags=["a"], recursion_limit=7),
        context=Json(text='{"tone": "dry"}'),
        metadata=Json(text='{"team": "x", "kept": 1}'),
    )
    return (await assistants.CreateAssistant(request)).assistant


async def update(assistants: AssistantsServiceAsyncStub, **fields: Any) -> Assistant:
    return (await assistants.UpdateAssistant(UpdateAssistantRequest(assistant_id="a-1", **fields))).assistant


async def set_latest(assistants: AssistantsServiceAsyncStub, version: int, assistant_id: str = "a-1") -> Assistant:
    request = SetLatestAssistantVersionRequest(assistant_id=assistant_id, version=version)
    return (await assistants.SetLatestAssistantVersion(request)).assistant


async def versions(assistants: AssistantsServiceAsyncStub, **fields: Any) -> list[AssistantVersion]:
    request = ListAssistantVersionsRequest(**{"assistant_id": "a-1", **fields})
    found: list[AssistantVersion] = []
    while True:
        answer = await assistants.ListAssistantVersions(request)
        found += answer.versions
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


async def test_an_update_adds_a_version_and_takes_over_what_it_does_not_name(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    changed = await update(assistants, name="Editor")
    assert (changed.version, changed.name, changed.description) == (2, "Editor", "writes")
    assert (changed.graph_id, changed.config, changed.context) == (made.graph_id, made.config, made.context)
    assert (changed.metadata, changed.create_time) == (made.metadata, made.create_time)
    assert changed.update_time.ToDatetime() > made.update_time.ToDatetime()
    assert (await assistants.GetAssistant(GetAssistantRequest(assistant_id="a-1"))).assistant == changed


async def test_metadata_is_merged_and_config_and_context_are_replaced(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    changed = await update(
        assistants,
        graph_id="other",
        description="",
        config=RunConfig(tags=["b"]),
        context=Json(text='{"length": 1}'),
        metadata=Json(text='{"team": {"y": 2}, "new": null}'),
    )
    assert (changed.graph_id, changed.description, changed.config) == ("other", "", RunConfig(tags=["b"]))
    assert changed.context.text == '{"length": 1}'
    assert orjson.loads(changed.metadata.text) == {"team": {"y": 2}, "kept": 1, "new": None}


async def test_a_name_that_is_emptied_is_the_default_one(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    assert (await update(assistants, name="")).name == "Untitled"


async def test_a_new_configurable_takes_the_place_of_the_context_and_the_other_way_round(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    configurable = Json(text='{"tone": "warm"}')
    changed = await update(assistants, config=RunConfig(tags=["b"], configurable=configurable))
    assert (changed.config.configurable, changed.HasField("context")) == (configurable, False)
    changed = await update(assistants, context=Json(text='{"tone": "dry"}'))
    assert (changed.config, changed.context.text) == (RunConfig(tags=["b"]), '{"tone": "dry"}')


async def test_an_update_of_another_version_than_expected_is_aborted(
    assistants: AssistantsServiceAsyncStub, made: Assistant, rows: Rows
) -> None:
    await update(assistants, name="Editor", if_version=1)
    answer = await refused(update(assistants, name="late", if_version=1))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "VERSION_MISMATCH")
    assert answer.metadata == {"assistant_id": "a-1", "version": "2"}
    assert [version.name for version in await versions(assistants)] == ["Editor", "Writer"]


async def test_updates_at_once_make_one_version_each(assistants: AssistantsServiceAsyncStub, made: Assistant) -> None:
    names = [f"n{number}" for number in range(8)]
    changed = await asyncio.gather(*[update(assistants, name=name) for name in names])
    assert sorted(one.version for one in changed) == list(range(2, 10))
    told = {version.version: version.name for version in await versions(assistants)}
    assert {one.version: one.name for one in changed} | {1: "Writer"} == told


async def test_of_updates_at_once_that_expect_one_version_one_is_made(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    calls = [update(assistants, name=f"n{number}", if_version=1) for number in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Assistant) for result in results) == 1


async def test_an_update_to_an_unknown_graph_is_not_found(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    answer = await refused(update(assistants, graph_id="lost"))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "GRAPH_NOT_FOUND")
    assert answer.metadata == {"graph_id": "lost"}
    assert len(await versions(assistants)) == 1


async def test_an_unknown_assistant_is_not_found(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await rows.assistant("theirs", "agent", tenant="other")
    for name in ["nobody", "theirs"]:
        calls: list[Awaitable[object]] = [
            assistants.UpdateAssistant(UpdateAssistantRequest(assistant_id=name, name="x")),
            set_latest(assistants, 1, name),
            versions(assistants, assistant_id=name),
        ]
        for call in calls:
            answer = await refused(call)
            assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND")
            assert answer.metadata == {"assistant_id": name}


async def test_a_wrong_update_is_refused_with_all_violations(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    request = UpdateAssistantRequest(
        assistant_id="a 1",
        graph_id="",
        name="x" * 257,
        description="\0",
        context=Json(text="{}"),
        config=RunConfig(configurable=Json(text='{"run_id": 1}')),
        metadata=Json(text="[]"),
        if_version=0,
    )
    answer = await refused(assistants.UpdateAssistant(request))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert answer.violations == {
        "assistant_id": "FIELD_INVALID",
        "graph_id": "FIELD_REQUIRED",
        "name": "PAYLOAD_TOO_LARGE",
        "description": "FIELD_INVALID",
        "context": "FIELDS_CONFLICT",
        "config.configurable": "FIELD_INVALID",
        "metadata": "INVALID_JSON",
        "if_version": "FIELD_OUT_OF_RANGE",
    }
    assert len(await versions(assistants)) == 1


async def test_an_old_version_is_made_the_latest_whole(assistants: AssistantsServiceAsyncStub, made: Assistant) -> None:
    await update(
        assistants,
        graph_id="other",
        name="Editor",
        description="edits",
        config=RunConfig(),
        context=Json(text="{}"),
        metadata=Json(text='{"team": "y"}'),
    )
    again = await set_latest(assistants, 1)
    assert again.update_time.ToDatetime() > made.update_time.ToDatetime()
    again.update_time.CopyFrom(made.update_time)
    assert again == made


async def test_an_update_after_going_back_builds_on_the_old_version_and_has_a_new_number(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    await update(assistants, name="Editor", metadata=Json(text='{"team": "y"}'))
    await set_latest(assistants, 1)
    changed = await update(assistants, description="third", if_version=1)
    assert (changed.version, changed.name, changed.metadata) == (3, "Writer", made.metadata)


@pytest.mark.parametrize(("version", "reason"), [(0, "FIELD_REQUIRED"), (-1, "FIELD_OUT_OF_RANGE")])
async def test_a_wrong_version_is_refused(assistants: AssistantsServiceAsyncStub, version: int, reason: str) -> None:
    answer = await refused(set_latest(assistants, version, ""))
    assert answer.violations == {"assistant_id": "FIELD_REQUIRED", "version": reason}


async def test_versions_are_listed_whole_the_newest_first(
    assistants: AssistantsServiceAsyncStub, made: Assistant
) -> None:
    await update(assistants, graph_id="other", name="Editor")
    await set_latest(assistants, 1)
    newest, oldest = await versions(assistants)
    assert (newest.version, newest.graph_id, newest.name) == (2, "other", "Editor")
    assert (oldest.assistant_id, oldest.version, oldest.graph_id) == ("a-1", 1, "agent")
    assert (oldest.name, oldest.description, oldest.config) == (made.name, made.description, made.config)
    assert (oldest.context, oldest.metadata) == (made.context, made.metadata)
    assert oldest.create_time == made.create_time


@pytest.mark.parametrize("page_size", [1, 2, 5, 6])
async def test_pages_show_every_version_once(
    assistants: AssistantsServiceAsyncStub, made: Assistant, page_size: int
) -> None:
    for number in range(4):
        await update(assistants, name=f"n{number}")
    assert [one.version for one in await versions(assistants, page_size=page_size)] == [5, 4, 3, 2, 1]


async def test_versions_are_filtered_by_metadata(assistants: AssistantsServiceAsyncStub, made: Assistant) -> None:
    await update(assistants, metadata=Json(text='{"team": "y"}'))
    found = await versions(assistants, metadata_contains=Json(text='{"team": "x"}'))
    assert [one.version for one in found] == [1]
    assert await versions(assistants, metadata_contains=Json(text='{"team": "z"}')) == []


async def test_a_wrong_list_of_versions_is_refused_with_all_violations(assistants: AssistantsServiceAsyncStub) -> None:
    request = ListAssistantVersionsRequest(
        assistant_id="a 1", metadata_contains=Json(text="1"), page_size=1001, page_token="?"
    )
    answer = await refused(assistants.ListAssistantVersions(request))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "assistant_id": "FIELD_INVALID",
        "metadata_contains": "INVALID_JSON",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }


async def test_a_forged_token_is_refused(assistants: AssistantsServiceAsyncStub) -> None:
    for key in ["1", 0, 2**31, 2**70, True, None, 1.5]:
        request = ListAssistantVersionsRequest(assistant_id="a-1")
        text = orjson.dumps([1, paging.binding(request), "v"])[:-1] + f",{_json(key)},".encode() + b'"a-1"]'
        request.page_token = base64.urlsafe_b64encode(text).decode().rstrip("=")
        answer = await refused(assistants.ListAssistantVersions(request))
        if key is True:
            # It is the number 1.
            assert answer.reason == "ASSISTANT_NOT_FOUND"
        else:
            assert answer.violations == {"page_token": "INVALID_PAGE_TOKEN"}, key


def _json(key: object) -> str:
    return str(key) if isinstance(key, int) and not isinstance(key, bool) else orjson.dumps(key).decode()


async def test_a_run_keeps_the_version_that_it_began_with(
    assistants: AssistantsServiceAsyncStub, made: Assistant, rows: Rows, pool: Pool
) -> None:
    run_id = await rows.run(None, "a-1")
    await update(assistants, name="Editor")
    assert await pool.fetchval("SELECT assistant_version FROM runs WHERE run_id = $1", run_id) == 1
