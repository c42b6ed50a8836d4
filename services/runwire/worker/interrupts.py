"""What graphs hand out when they pause: interrupts as messages and rows have them, and where they happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from langgraph.types import Interrupt, StateSnapshot

from runwire.api.type.v1 import run_pb2
from runwire.worker.events import json_message

Places: TypeAlias = Mapping[str, Sequence[str]]
"""The subgraph of each interrupt, outermost first, by the interrupt's id."""


def places_in(snapshot: StateSnapshot) -> Places:
    """Where the interrupts of a state happened, as deep as it has the states of its subgraphs."""
    found: dict[str, Sequence[str]] = {}
    _find(snapshot, _path_of(snapshot), found)
    return found


def _find(snapshot: StateSnapshot, path: Sequence[str], found: dict[str, Sequence[str]]) -> None:
    # What happens in a subgraph shows in the tasks around it too, so the innermost counts.
    for task in snapshot.tasks:
        below = _path_of(task.state) or path
        found.update((interrupt.id, below) for interrupt in task.interrupts)
        if isinstance(task.state, StateSnapshot):
            _find(task.state, below, found)


def _path_of(state: Any) -> Sequence[str]:
    config = state.config if isinstance(state, StateSnapshot) else state or {}
    namespace: str = config.get("configurable", {}).get("checkpoint_ns", "")
    return namespace.split("|") if namespace else ()


def messages_of(interrupts: Iterable[Interrupt[Any]], places: Places) -> list[run_pb2.Interrupt]:
    """As answers and events have them."""
    return [message_of(each.id, each.value, each.response_schema, places.get(each.id, ())) for each in interrupts]


def message_of(interrupt_id: str, value: Any, response_schema: Any, namespace: Sequence[str] = ()) -> run_pb2.Interrupt:
    """One of them."""
    message = run_pb2.Interrupt(interrupt_id=interrupt_id, value=json_message(value), namespace=namespace)
    if response_schema is not None:
        message.response_schema.CopyFrom(json_message(response_schema))
    return message


def rows_of(interrupts: Iterable[Interrupt[Any]], places: Places) -> list[dict[str, Any]]:
    """As runs and threads are stored with them."""
    return [
        {"id": each.id, "value": each.value, "ns": list(places.get(each.id, ()))}
        | ({} if each.response_schema is None else {"response_schema": each.response_schema})
        for each in interrupts
    ]
