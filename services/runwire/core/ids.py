"""Ids: text to the outside; runs' are UUIDs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType
from uuid import NAMESPACE_URL, UUID, uuid5

from uuid_utils.compat import uuid7

AssistantId = NewType("AssistantId", str)
GraphId = NewType("GraphId", str)
RunId = NewType("RunId", UUID)
ThreadId = NewType("ThreadId", str)
WorkerId = NewType("WorkerId", UUID)

DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class RunKey:
    """A run among those of all tenants, whose ids may be alike.

    Its text is the bare id for the default tenant and `<tenant>/<run_id>` for the others; no tenant's name has a slash.
    """

    tenant: str
    run_id: UUID

    def __str__(self) -> str:
        return str(self.run_id) if self.tenant == DEFAULT_TENANT else f"{self.tenant}/{self.run_id}"

    @classmethod
    def parse(cls, text: str) -> RunKey:
        """The key of a text that `str` made."""
        tenant, _, run_id = text.rpartition("/")
        return cls(tenant or DEFAULT_TENANT, UUID(run_id))


_DEFAULT_ASSISTANTS = uuid5(NAMESPACE_URL, "runwire:default-assistants")


def new_uuid() -> UUID:
    """A UUIDv7: ids that are made later sort later, which keeps indexes dense."""
    return uuid7()


def default_assistant_id(graph_id: str) -> AssistantId:
    """The id of the assistant that workers register for a graph."""
    return AssistantId(str(uuid5(_DEFAULT_ASSISTANTS, graph_id)))
