"""Ids: text to the outside; runs' are UUIDs."""

from __future__ import annotations

from typing import NewType
from uuid import NAMESPACE_URL, UUID, uuid5

from uuid_utils.compat import uuid7

AssistantId = NewType("AssistantId", str)
GraphId = NewType("GraphId", str)
RunId = NewType("RunId", UUID)
ThreadId = NewType("ThreadId", str)
WorkerId = NewType("WorkerId", UUID)

DEFAULT_TENANT = "default"

_DEFAULT_ASSISTANTS = uuid5(NAMESPACE_URL, "runwire:default-assistants")


def new_uuid() -> UUID:
    """A UUIDv7: ids that are made later sort later, which keeps indexes dense."""
    return uuid7()


def default_assistant_id(graph_id: str) -> AssistantId:
    """The id of the assistant that workers register for a graph."""
    return AssistantId(str(uuid5(_DEFAULT_ASSISTANTS, graph_id)))
