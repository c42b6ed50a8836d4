"""The assistant that a run is created from, remembered between calls.

What is remembered may be out of date. Creating a run compares it with the table in the same statement, so a
run is never created from an assistant that has changed; it costs one more round trip then.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core import sql
from runwire.core.ids import default_assistant_id
from runwire.core.postgres import Pool

_SQL = sql.load(__file__)
_REMEMBERED = 1024
_REMEMBERED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """The latest version of an assistant; `context` and `metadata` are JSON texts."""

    assistant_id: str
    version: int
    graph_id: str
    config: RunConfig
    context: str | None
    metadata: str
    created_at: datetime


class Assistants:
    """Finds assistants by their own id or by a graph's, and remembers those that are not large."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._remembered: OrderedDict[tuple[str, str], Assistant] = OrderedDict()

    async def find(self, tenant: str, name: str) -> Assistant | None:
        """The assistant with this id, or else the default assistant of the graph with this id."""
        known = self._remembered.get((tenant, name))
        if known is not None:
            self._remembered.move_to_end((tenant, name))
            return known
        row = await self._pool.fetchrow(_SQL["find"], tenant, name, default_assistant_id(name))
        if row is None:
            return None
        found = _assistant(row)
        self._remember((tenant, name), found)
        return found

    def forget(self, tenant: str, name: str) -> None:
        """Makes the next `find` read the table."""
        self._remembered.pop((tenant, name), None)

    def _remember(self, key: tuple[str, str], assistant: Assistant) -> None:
        size = assistant.config.ByteSize() + len(assistant.context or "") + len(assistant.metadata)
        if size <= _REMEMBERED_BYTES:
            self._remembered[key] = assistant
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)


def _assistant(row: asyncpg.Record) -> Assistant:
    return Assistant(
        assistant_id=row["assistant_id"],
        version=row["version"],
        graph_id=row["graph_id"],
        config=RunConfig.FromString(row["config"]),
        context=row["context"],
        metadata=row["metadata"],
        created_at=row["created_at"],
    )
