"""How checkpoint values become bytes: msgpack, and on the way back only classes that were allowed beforehand."""

from __future__ import annotations

from collections.abc import Iterable

from langgraph._internal import _serde
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

# A graph that is compiled in langgraph's strict mode hands the classes of its own state to the saver's
# with_allowlist. langgraph takes the mode from an environment variable when it is first imported, which may be
# long before this, and the variable would also bind serializers that are not ours.
_serde.STRICT_MSGPACK_ENABLED = True  # type: ignore[attr-defined]

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
    return JsonPlusSerializer(
        pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=(*ALLOWED, *extra)
    )
