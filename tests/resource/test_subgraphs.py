from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runwire.api.resource.v1.assistants_pb2 import ListAssistantSubgraphsRequest, Subgraph
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub


async def subgraphs(assistants: AssistantsServiceAsyncStub, **fields: Any) -> list[Subgraph]:
    request = ListAssistantSubgraphsRequest(**{"assistant_id": "agent", **fields})
    found: list[Subgraph] = []
    while True:
        answer = await assistants.ListAssistantSubgraphs(request)
        found += answer.subgraphs
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["section", "sections", "Ä"]),
        ({"recurse": True}, ["a|b|c", "section", "sections", "section|inner", "Ä"]),
        ({"namespace": "section"}, ["section"]),
        ({"namespace": "section", "recurse": True}, ["section", "section|inner"]),
        ({"namespace": "section|inner"}, ["section|inner"]),
        ({"namespace": "nowhere", "recurse": True}, []),
    ],
)
async def test_subgraphs_are_listed_in_order(
    assistants: AssistantsServiceAsyncStub, rows: Rows, asked: dict[str, Any], expected: list[str]
) -> None:
    await rows.graph("agent")
    for page_size in [0, 1, 2]:
        found = await subgraphs(assistants, page_size=page_size, **asked)
        assert [one.namespace for one in found] == expected, page_size


async def test_a_subgraph_has_its_schemas(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent")
    await rows.assistant("a-1", "agent")
    [one] = await subgraphs(assistants, assistant_id="a-1", namespace="section")
    assert one.schemas.input.text == '{"title": "section"}'
    assert not one.schemas.HasField("output")
    assert not one.schemas.HasField("state")


async def test_a_graph_without_subgraphs_has_an_empty_list(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent", subgraphs={})
    assert await subgraphs(assistants, recurse=True) == []


async def test_a_wrong_list_is_refused_with_all_violations(assistants: AssistantsServiceAsyncStub) -> None:
    answer = await refused(
        subgraphs(assistants, assistant_id="no spaces", namespace="x\0", page_size=-1, page_token="?")
    )
    assert answer.violations == {
        "assistant_id": "FIELD_INVALID",
        "namespace": "FIELD_INVALID",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }
