"""AssistantsService, but for what workers publish about graphs."""

from __future__ import annotations

import json
from typing import Any

from runwire.api.resource.v1.assistants_pb2 import (
    Assistant,
    AssistantFilter,
    CountAssistantsRequest,
    CreateAssistantRequest,
    DeleteAssistantRequest,
    GetAssistantRequest,
    ListAssistantsRequest,
    ListAssistantVersionsRequest,
    SetLatestAssistantVersionRequest,
    UpdateAssistantRequest,
)
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core.ids import default_assistant_id
from tests.contract.scenarios.marked import Marked
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listing,
    Listings,
    Provoked,
    Successes,
    ask,
    json_of,
    refused,
    unique,
    wrong,
)
from tests.harness.platform import Platform
from tests.harness.refused import refused as refusal

NO_GRAPH = "no-graph"
"""A graph that no worker has published."""


async def made_assistant(platform: Platform, **fields: Any) -> Assistant:
    """An assistant of the graph `echo`, unless another is given."""
    created = await ask(platform, CreateAssistantRequest(**{"graph_id": "echo", **fields}))
    assistant: Assistant = created.assistant
    return assistant


async def _changed(platform: Platform, assistant_id: str, **fields: Any) -> Assistant:
    updated = await ask(platform, UpdateAssistantRequest(assistant_id=assistant_id, **fields))
    assistant: Assistant = updated.assistant
    return assistant


_MARKED = Marked(
    listing=ListAssistantsRequest,
    counting=CountAssistantsRequest,
    where=AssistantFilter,
    rows="assistants",
    row_id="assistant_id",
    make=made_assistant,
)

# Successes


async def _creates(platform: Platform) -> Any:
    assistant_id = unique()
    made = CreateAssistantRequest(
        assistant_id=assistant_id,
        graph_id="echo",
        name="Anna",
        config=RunConfig(recursion_limit=7),
        metadata=json_of('{"n":9007199254740993}'),
    )
    response = await ask(platform, made)
    stored = response.assistant
    assert (stored.assistant_id, stored.graph_id, stored.name, stored.version) == (assistant_id, "echo", "Anna", 1)
    assert (stored.config.recursion_limit, stored.is_default) == (7, False)
    assert json.loads(stored.metadata.text) == {"n": 9007199254740993}
    return response


async def _gets(platform: Platform) -> Any:
    response = await ask(platform, GetAssistantRequest(assistant_id="echo"))
    assert response.assistant.assistant_id == default_assistant_id("echo")
    assert response.assistant.is_default
    return response


async def _updates(platform: Platform) -> Any:
    made = await made_assistant(platform, name="before", description="stays")
    response = await ask(platform, UpdateAssistantRequest(assistant_id=made.assistant_id, name="after", if_version=1))
    stored = response.assistant
    assert (stored.version, stored.name, stored.description) == (2, "after", "stays")
    return response


async def _deletes(platform: Platform) -> Any:
    made = await made_assistant(platform)
    response = await ask(platform, DeleteAssistantRequest(assistant_id=made.assistant_id))
    said = await refusal(ask(platform, GetAssistantRequest(assistant_id=made.assistant_id)))
    assert said.reason == "ASSISTANT_NOT_FOUND"
    return response


async def _lists_versions(platform: Platform) -> Any:
    made = await made_assistant(platform, name="one")
    await _changed(platform, made.assistant_id, name="two")
    response = await ask(platform, ListAssistantVersionsRequest(assistant_id=made.assistant_id))
    assert [(version.version, version.name) for version in response.versions] == [(2, "two"), (1, "one")]
    return response


async def _goes_back(platform: Platform) -> Any:
    made = await made_assistant(platform, name="one")
    await _changed(platform, made.assistant_id, name="two")
    response = await ask(platform, SetLatestAssistantVersionRequest(assistant_id=made.assistant_id, version=1))
    assert (response.assistant.version, response.assistant.name) == (1, "one")
    return response


SUCCESSES: Successes = {
    "CreateAssistant": _creates,
    "GetAssistant": _gets,
    "ListAssistants": _MARKED.lists,
    "CountAssistants": _MARKED.counts,
    "UpdateAssistant": _updates,
    "DeleteAssistant": _deletes,
    "ListAssistantVersions": _lists_versions,
    "SetLatestAssistantVersion": _goes_back,
}

# Errors


async def _id_taken(platform: Platform) -> Provoked:
    made = await made_assistant(platform, assistant_id=unique(), name="first")
    another = CreateAssistantRequest(assistant_id=made.assistant_id, graph_id="echo", name="second")
    return refused(another, id=made.assistant_id)


async def _update_to_no_graph(platform: Platform) -> Provoked:
    made = await made_assistant(platform)
    return refused(UpdateAssistantRequest(assistant_id=made.assistant_id, graph_id=NO_GRAPH), graph_id=NO_GRAPH)


async def _another_version(platform: Platform) -> Provoked:
    made = await made_assistant(platform)
    await _changed(platform, made.assistant_id, name="newer")
    late = UpdateAssistantRequest(assistant_id=made.assistant_id, name="late", if_version=1)
    return refused(late, assistant_id=made.assistant_id, version="2")


async def _no_version(platform: Platform) -> Provoked:
    made = await made_assistant(platform)
    asked = SetLatestAssistantVersionRequest(assistant_id=made.assistant_id, version=7)
    return refused(asked, assistant_id=made.assistant_id, version="7")


_BOTH = UpdateAssistantRequest(
    assistant_id="a", config=RunConfig(configurable=json_of("{}")), context=json_of('{"k": 1}')
)

ERRORS: Errors = {
    ("CreateAssistant", "FIELD_REQUIRED"): wrong(CreateAssistantRequest(), "graph_id"),
    ("CreateAssistant", "GRAPH_NOT_FOUND"): refused(CreateAssistantRequest(graph_id=NO_GRAPH), graph_id=NO_GRAPH),
    ("CreateAssistant", "ID_REUSED"): _id_taken,
    ("GetAssistant", "FIELD_INVALID"): wrong(GetAssistantRequest(assistant_id="a b"), "assistant_id"),
    ("GetAssistant", "ASSISTANT_NOT_FOUND"): refused(GetAssistantRequest(assistant_id=ABSENT), assistant_id=ABSENT),
    ("ListAssistants", "FIELD_OUT_OF_RANGE"): wrong(ListAssistantsRequest(page_size=1001), "page_size"),
    ("CountAssistants", "INVALID_JSON"): wrong(
        CountAssistantsRequest(filter=AssistantFilter(metadata_contains=json_of("[]"))), "filter.metadata_contains"
    ),
    ("UpdateAssistant", "FIELDS_CONFLICT"): wrong(_BOTH, "context"),
    ("UpdateAssistant", "ASSISTANT_NOT_FOUND"): refused(
        UpdateAssistantRequest(assistant_id=ABSENT, name="n"), assistant_id=ABSENT
    ),
    ("UpdateAssistant", "GRAPH_NOT_FOUND"): _update_to_no_graph,
    ("UpdateAssistant", "VERSION_MISMATCH"): _another_version,
    ("DeleteAssistant", "FIELD_REQUIRED"): wrong(DeleteAssistantRequest(), "assistant_id"),
    ("DeleteAssistant", "ASSISTANT_NOT_FOUND"): refused(
        DeleteAssistantRequest(assistant_id=ABSENT), assistant_id=ABSENT
    ),
    ("DeleteAssistant", "ASSISTANT_IS_DEFAULT"): refused(
        DeleteAssistantRequest(assistant_id=default_assistant_id("echo")), assistant_id=default_assistant_id("echo")
    ),
    ("ListAssistantVersions", "FIELD_REQUIRED"): wrong(ListAssistantVersionsRequest(), "assistant_id"),
    ("ListAssistantVersions", "ASSISTANT_NOT_FOUND"): refused(
        ListAssistantVersionsRequest(assistant_id=ABSENT), assistant_id=ABSENT
    ),
    ("SetLatestAssistantVersion", "FIELD_OUT_OF_RANGE"): wrong(
        SetLatestAssistantVersionRequest(assistant_id="a", version=-1), "version"
    ),
    ("SetLatestAssistantVersion", "ASSISTANT_NOT_FOUND"): refused(
        SetLatestAssistantVersionRequest(assistant_id=ABSENT, version=1), assistant_id=ABSENT
    ),
    ("SetLatestAssistantVersion", "ASSISTANT_VERSION_NOT_FOUND"): _no_version,
}

# Pages


async def _many_versions(platform: Platform) -> Listing:
    made = await made_assistant(platform)
    for number in range(2, 6):
        await _changed(platform, made.assistant_id, name=str(number))
    return Listing(
        request=ListAssistantVersionsRequest(assistant_id=made.assistant_id),
        rows="versions",
        name=lambda version: str(version.version),
        expected=["5", "4", "3", "2", "1"],
        other=ListAssistantVersionsRequest(assistant_id="echo"),
    )


LISTINGS: Listings = {
    "ListAssistants": _MARKED.many,
    "ListAssistantVersions": _many_versions,
}
