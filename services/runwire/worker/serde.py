"""How checkpoint values become bytes: msgpack, and on the way back only classes that were allowed beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.load.load import Reviver
from langgraph._internal import _serde
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from runwire.worker.checkpoint_shapes import UnreadableState

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

# Values that old releases of langgraph stored as JSON. Its own reviver would make any class of langchain-core.
_MESSAGES = Reviver(allowed_objects="messages")


class StrictSerializer(JsonPlusSerializer):
    """Reads what nobody vouches for: whatever can't be read raises UnreadableState, and nothing else."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        try:
            return super().loads_typed(data)
        except Exception as error:
            raise UnreadableState("a value's bytes are damaged, or not of a kind that is read here") from error

    def _reviver(self, value: dict[str, Any]) -> Any:
        return super()._reviver(value) if value.get("lc") == 2 else _MESSAGES(value)


def strict_serde(extra: Iterable[tuple[str, ...] | type] = ()) -> StrictSerializer:
    """The serializer of checkpoints: no pickle; a class that is not allowed comes back as plain data.

    `extra` names further classes, as `(module, name)` or the class itself.
    """
    return StrictSerializer(
        pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=(*ALLOWED, *extra)
    )
