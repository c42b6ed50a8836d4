"""AssistantsService: what workers publish about graphs."""

from __future__ import annotations

import json
from typing import Any

from runwire.api.resource.v1.assistants_pb2 import (
    GetAssistantGraphRequest,
    GetAssistantSchemasRequest,
    ListAssistantSubgraphsRequest,
)
from tests.contract.scenarios.assistants import NO_GRAPH, made_assistant
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listing,
    Listings,
    Provoked,
    Successes,
    ask,
    refused,
    unique,
    wrong,
)
from tests.harness.platform import Platform

# Successes


async def _draws(platform: Platform) -> Any:
    response = await ask(platform, GetAssistantGraphRequest(assistant_id="nested"))
    assert [node.node_id for node in response.nodes] == ["__start__", "outer", "inner", "__end__"]
    assert ("inner", "__end__") in {(edge.source, edge.target) for edge in response.edges}
    return response


async def _tells_schemas(platform: Platform) -> Any:
    response = await ask(platform, GetAssistantSchemasRequest(assistant_id="echo"))
    assert response.graph_id == "echo"
    assert json.loads(response.schemas.input.text)["properties"]["text"]["type"] == "string"
    return response


async def _lists_subgraphs(platform: Platform) -> Any:
    response = await ask(platform, ListAssistantSubgraphsRequest(assistant_id="nested"))
    assert [subgraph.namespace for subgraph in response.subgraphs] == ["inner"]
    assert json.loads(response.subgraphs[0].schemas.state.text)["properties"].keys() == {"text"}
    return response


SUCCESSES: Successes = {
    "GetAssistantGraph": _draws,
    "GetAssistantSchemas": _tells_schemas,
    "ListAssistantSubgraphs": _lists_subgraphs,
}

# Errors


async def _retired(platform: Platform) -> str:
    """An assistant of a graph that an operator has taken out of the graphs table."""
    made = await made_assistant(platform)
    await platform.pool.execute(
        "UPDATE assistant_versions SET graph_id = $2 WHERE assistant_id = $1", made.assistant_id, NO_GRAPH
    )
    return made.assistant_id


async def _draw_no_graph(platform: Platform) -> Provoked:
    return refused(GetAssistantGraphRequest(assistant_id=await _retired(platform)), graph_id=NO_GRAPH)


async def _schemas_of_no_graph(platform: Platform) -> Provoked:
    return refused(GetAssistantSchemasRequest(assistant_id=await _retired(platform)), graph_id=NO_GRAPH)


async def _subgraphs_of_no_graph(platform: Platform) -> Provoked:
    return refused(ListAssistantSubgraphsRequest(assistant_id=await _retired(platform)), graph_id=NO_GRAPH)


ERRORS: Errors = {
    ("GetAssistantGraph", "FIELD_OUT_OF_RANGE"): wrong(
        GetAssistantGraphRequest(assistant_id="echo", xray_depth=11), "xray_depth"
    ),
    ("GetAssistantGraph", "ASSISTANT_NOT_FOUND"): refused(
        GetAssistantGraphRequest(assistant_id=ABSENT), assistant_id=ABSENT
    ),
    ("GetAssistantGraph", "GRAPH_NOT_FOUND"): _draw_no_graph,
    ("GetAssistantSchemas", "FIELD_REQUIRED"): wrong(GetAssistantSchemasRequest(), "assistant_id"),
    ("GetAssistantSchemas", "ASSISTANT_NOT_FOUND"): refused(
        GetAssistantSchemasRequest(assistant_id=ABSENT), assistant_id=ABSENT
    ),
    ("GetAssistantSchemas", "GRAPH_NOT_FOUND"): _schemas_of_no_graph,
    ("ListAssistantSubgraphs", "FIELD_REQUIRED"): wrong(ListAssistantSubgraphsRequest(), "assistant_id"),
    ("ListAssistantSubgraphs", "ASSISTANT_NOT_FOUND"): refused(
        ListAssistantSubgraphsRequest(assistant_id=ABSENT), assistant_id=ABSENT
    ),
    ("ListAssistantSubgraphs", "GRAPH_NOT_FOUND"): _subgraphs_of_no_graph,
}

# Pages


async def _many_subgraphs(platform: Platform) -> Listing:
    names = ["a", "b", "c", "d", "e"]
    graph_id = unique()
    await platform.pool.execute(
        "INSERT INTO graphs (graph_id, drawings, schemas, subgraphs) VALUES ($1, '{}', '{}', $2)",
        graph_id,
        json.dumps({name: {} for name in reversed(names)}),
    )
    made = await made_assistant(platform, graph_id=graph_id)
    return Listing(
        request=ListAssistantSubgraphsRequest(assistant_id=made.assistant_id),
        rows="subgraphs",
        name=lambda subgraph: str(subgraph.namespace),
        expected=names,
        other=ListAssistantSubgraphsRequest(assistant_id=made.assistant_id, recurse=True),
    )


LISTINGS: Listings = {"ListAssistantSubgraphs": _many_subgraphs}
