from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runwire.api.resource.v1.assistants_pb2 import (
    GetAssistantGraphRequest,
    GetAssistantGraphResponse,
    GetAssistantSchemasRequest,
)
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub


async def drawn(assistants: AssistantsServiceAsyncStub, name: str, depth: int = 0) -> GetAssistantGraphResponse:
    return await assistants.GetAssistantGraph(GetAssistantGraphRequest(assistant_id=name, xray_depth=depth))


@pytest.mark.parametrize("by_graph", [True, False])
async def test_a_graph_is_drawn_as_published(
    assistants: AssistantsServiceAsyncStub, rows: Rows, by_graph: bool
) -> None:
    assistant_id = await rows.graph("agent")
    drawing = await drawn(assistants, "agent" if by_graph else assistant_id)
    [node], [edge] = drawing.nodes, drawing.edges
    assert (node.node_id, node.type) == ("sub", "runnable")
    assert node.data.text == '{"big": 9007199254740993123456, "name": "sub"}'
    assert (edge.source, edge.target, edge.conditional, edge.label) == ("sub", "__end__", True, "when done")


@pytest.mark.parametrize("depth", [1, 2, 10])
async def test_a_depth_beyond_the_deepest_drawing_gives_the_deepest(
    assistants: AssistantsServiceAsyncStub, rows: Rows, depth: int
) -> None:
    await rows.graph("agent")
    drawing = await drawn(assistants, "agent", depth)
    assert [node.node_id for node in drawing.nodes] == ["sub:a", "sub:b"]
    [edge] = drawing.edges
    assert (edge.conditional, edge.label) == (False, "")


async def test_depths_are_compared_as_numbers(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    drawings = {str(n): {"nodes": [{"id": f"n{n}", "type": "runnable", "data": None}], "edges": []} for n in range(11)}
    await rows.graph("agent", drawings)
    assert [(await drawn(assistants, "agent", n)).nodes[0].node_id for n in (2, 9, 10)] == ["n2", "n9", "n10"]


async def test_a_graph_that_could_not_be_drawn_is_empty(assistants: AssistantsServiceAsyncStub, rows: Rows) -> None:
    await rows.graph("agent", {})
    assert await drawn(assistants, "agent") == GetAssistantGraphResponse()


async def test_schemas_are_those_published_and_unset_where_there_are_none(
    assistants: AssistantsServiceAsyncStub, rows: Rows
) -> None:
    await rows.graph("agent")
    await rows.assistant("a-1", "agent")
    answer = await assistants.GetAssistantSchemas(GetAssistantSchemasRequest(assistant_id="a-1"))
    assert answer.graph_id == "agent"
    assert answer.schemas.input.text == '{"type": "object"}'
    assert answer.schemas.output.text == '{"title": "out"}'
    assert answer.schemas.state.text == "{}"
    assert not answer.schemas.HasField("config")
    assert not answer.schemas.HasField("context")


async def test_wrong_requests_are_refused(assistants: AssistantsServiceAsyncStub) -> None:
    answer = await refused(drawn(assistants, "no spaces", 11))
    assert answer.violations == {"assistant_id": "FIELD_INVALID", "xray_depth": "FIELD_OUT_OF_RANGE"}
    answer = await refused(drawn(assistants, "a-1", -1))
    assert answer.violations == {"xray_depth": "FIELD_OUT_OF_RANGE"}
    answer = await refused(assistants.GetAssistantSchemas(GetAssistantSchemasRequest()))
    assert answer.violations == {"assistant_id": "FIELD_REQUIRED"}
