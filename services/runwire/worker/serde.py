"""How checkpoint values become bytes: msgpack, and on the way back only classes that were allowed beforehand.

langgraph hands a graph's own state types to the saver only if LANGGRAPH_STRICT_MSGPACK is set when langgraph
is first imported. This module sets it, so a worker imports it (or sets the variable) before langgraph.
"""

from __future__ import annotations

import os

os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

import logging
from collections.abc import Iterable

from langgraph.checkpoint.serde import _msgpack
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

logger = logging.getLogger(__name__)

# langgraph's own safe list has the messages, documents and most of langgraph's types; these are the rest of
# what its public API lets a node put into the state.
ALLOWED: tuple[tuple[str, str], ...] = (
    ("langchain_core.agents", "AgentAction"),
    ("langchain_core.agents", "AgentActionMessageLog"),
    ("langchain_core.agents", "AgentFinish"),
    ("langchain_core.agents", "AgentStep"),
    ("langgraph.store.base", "SearchItem"),
    ("langgraph.types", "CachePolicy"),
    ("langgraph.types", "RetryPolicy"),
)


def strict_serde(extra: Iterable[tuple[str, ...] | type] = ()) -> JsonPlusSerializer:
    """The serializer of checkpoints: no pickle; a class that is not allowed comes back as plain data.

    `extra` names further classes, as `(module, name)` or the class itself.
    """
    if not _msgpack.STRICT_MSGPACK_ENABLED:
        logger.warning(
            "langgraph was imported before LANGGRAPH_STRICT_MSGPACK was set: "
            "graphs' own state types will be read as plain data",
            extra={"action": "serde.not_strict"},
        )
    return JsonPlusSerializer(
        pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=(*ALLOWED, *extra)
    )
