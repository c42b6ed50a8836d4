"""What workers publish of their graphs, so that the API services can answer without importing any of them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

import orjson
from langgraph.channels.base import BaseChannel
from langgraph.pregel import Pregel
from pydantic import create_model

from runwire.core import jsons
from runwire.core.ids import DEFAULT_TENANT, default_assistant_id
from runwire.core.postgres import Pool
from runwire.core.sql import load
from runwire.worker.chunks import is_function
from runwire.worker.graphs import Compiled, Graphs

_log = logging.getLogger(__name__)

SQL = load(__file__)

_MAX_DEPTH = 10
# What ecosystems call their variables that nobody should read, such as OPENAI_API_KEY or DATABASE_URI.
_SECRET_NAME = re.compile("KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH|DSN|UR[IL]")
_SECRET_LENGTH = 8
_MASK = "**********"


async def publish(graphs: Graphs, pool: Pool) -> None:
    """Writes each graph's drawing, schemas and subgraphs, and registers its default assistant."""
    for graph_id in graphs.ids:
        async with graphs.made(graph_id, {"configurable": {}, "metadata": {}}, None, None) as graph:
            parts = (_drawings(graph), schemas(graph), _subgraphs(graph))
            texts = [jsons.dumps(without_secrets(part, os.environ)) for part in parts]
        await pool.execute(SQL["publish_graph"], graph_id, *texts)
        await pool.execute(SQL["register_default_assistant"], DEFAULT_TENANT, default_assistant_id(graph_id), graph_id)
    await pool.execute(SQL["register_with_all_tenants"])


def without_secrets(published: Any, environment: Mapping[str, str]) -> Any:
    """What is published of a graph, with the values of secret variables masked where a schema has them as defaults."""
    hidden = {
        value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= _SECRET_LENGTH
    }

    def masked(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [masked(inner) for inner in value]
        return _MASK if isinstance(value, str) and value in hidden else value

    return masked(published)


def schemas(graph: Compiled) -> dict[str, Any]:
    """A graph's JSON schemas; None where there is none or it can't be told."""
    return {
        "input": _told(graph.get_input_jsonschema),
        "output": _told(graph.get_output_jsonschema),
        "state": _told(lambda: _state_schema(graph)),
        "config": _told(graph.get_config_jsonschema),
        "context": _told(graph.get_context_jsonschema),
    }


def _state_schema(graph: Compiled) -> dict[str, Any]:
    if is_function(graph):
        return graph.get_output_jsonschema()
    channels = {name: graph.channels[name] for name in graph.stream_channels_list if name in graph.channels}
    fields: dict[str, Any] = {
        name: (channel.UpdateType, None) for name, channel in channels.items() if isinstance(channel, BaseChannel)
    }
    schema: dict[str, Any] = create_model(f"{graph.name}_state", **fields).model_json_schema()
    return schema


def _told(tell: Any) -> Any:
    try:
        return orjson.loads(jsons.dumps(tell()))
    except Exception as error:
        # Any annotation of a user's state may be beyond JSON schema.
        _log.info("a schema can't be told", extra={"action": "schema_unknown", "error": repr(error)})
        return None


def _drawings(graph: Compiled) -> dict[str, Any]:
    drawings: dict[str, Any] = {}
    for depth in range(_MAX_DEPTH + 1):
        drawing = _told(lambda depth=depth: graph.get_graph(xray=depth).to_json())
        if drawing is None or drawing in drawings.values():
            break
        drawings[str(depth)] = drawing
    return drawings


def _subgraphs(graph: Compiled) -> dict[str, Any]:
    found = graph.get_subgraphs(recurse=True)
    return {namespace: schemas(subgraph) for namespace, subgraph in found if isinstance(subgraph, Pregel)}
