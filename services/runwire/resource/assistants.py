"""Assistants in Postgres."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from runwire.api.resource.v1.assistants_pb2 import Assistant
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core import cancels, sql
from runwire.core.bus import Bus
from runwire.core.errors import AssistantIsDefault, AssistantNotFound, GraphNotFound
from runwire.core.ids import default_assistant_id
from runwire.core.pages import Page
from runwire.core.postgres import Pool
from runwire.resource.creation import check_same
from runwire.resource.graphs import is_published
from runwire.resource.listing import Conditions, Order, PageRequest, count_rows, read_page
from runwire.resource.threads import delete_threads_of_assistant, stop_orphans

_TEXTS = sql.load(__file__)
COLUMNS = _TEXTS["columns"]
"""What `assistant_of` reads, of `assistants AS a` and its latest version, `assistant_versions AS v`."""
_SQL = {name: text.format(columns=COLUMNS) for name, text in _TEXTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAssistant:
    """An assistant to create; `context` and `metadata` are JSON texts."""

    assistant_id: str
    graph_id: str
    name: str
    description: str
    config: RunConfig
    context: str | None
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which assistants to list; a JSON text as it came. What is empty or None does not filter."""

    graph_id: str = ""
    name_contains: str = ""
    metadata_contains: str | None = None

    def conditions(self, tenant: str) -> Conditions:
        """All that a row must fulfil."""
        made = Conditions()
        made.add(_SQL["of_tenant"], tenant)
        if self.graph_id:
            made.add(_SQL["of_graph"], self.graph_id)
        if self.name_contains:
            made.add(_SQL["with_name"], self.name_contains)
        if self.metadata_contains is not None:
            made.add(_SQL["with_metadata"], self.metadata_contains)
        return made


class Assistants:
    """Reads and writes assistants, a tenant's at a time."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    async def create(self, tenant: str, new: NewAssistant, digest: bytes, *, keep: bool) -> Assistant:
        """The new assistant, or the one that is there. Raises IdReused, GraphNotFound."""
        while True:
            if row := await self._insert(tenant, new, digest):
                return assistant_of(row)
            if row := await self._pool.fetchrow(_SQL["get_created"], tenant, new.assistant_id, digest):
                check_same(row, new.assistant_id, keep=keep)
                return assistant_of(row)
            # Where the graph is known, the id was taken and is free again by now.
            if not await is_published(self._pool, new.graph_id):
                raise GraphNotFound(graph_id=new.graph_id)

    async def _insert(self, tenant: str, new: NewAssistant, digest: bytes) -> asyncpg.Record | None:
        return await self._pool.fetchrow(
            _SQL["create_assistant"],
            tenant,
            new.assistant_id,
            digest,
            new.graph_id,
            new.name,
            new.description,
            new.config.SerializeToString(deterministic=True),
            new.context,
            new.metadata,
        )

    async def get(self, tenant: str, name: str) -> Assistant:
        """By its id, or by the id of the graph whose default it is. Raises AssistantNotFound."""
        row = await self._pool.fetchrow(_SQL["get_assistant"], tenant, name, default_assistant_id(name))
        if row is None:
            raise AssistantNotFound(assistant_id=name)
        return assistant_of(row)

    async def page(self, tenant: str, wanted: Filter, order: Order, request: PageRequest) -> Page[Assistant]:
        """One page of assistants in their latest versions."""
        return await read_page(
            self._pool, _SQL["list_assistants"], wanted.conditions(tenant), order, request, assistant_of
        )

    async def count(self, tenant: str, wanted: Filter) -> int:
        """How many assistants there are in a list."""
        return await count_rows(self._pool, _SQL["count_assistants"], wanted.conditions(tenant))

    async def delete(self, tenant: str, assistant_id: str, *, with_threads: bool) -> None:
        """Deletes an assistant and cancels its active runs. Raises AssistantNotFound, AssistantIsDefault."""
        async with self._pool.acquire() as connection, connection.transaction():
            await _lock(connection, tenant, assistant_id)
            orphans = await delete_threads_of_assistant(connection, tenant, assistant_id) if with_threads else ()
            cancelled = await connection.fetch(_SQL["cancel_runs"], tenant, assistant_id)
            await connection.execute(_SQL["delete_assistant"], tenant, assistant_id)
        await stop_orphans(self._bus, orphans)
        await cancels.tell(self._bus, tenant, cancelled)


async def _lock(connection: asyncpg.Connection[asyncpg.Record], tenant: str, assistant_id: str) -> None:
    row = await connection.fetchrow(_SQL["lock_assistant"], tenant, assistant_id)
    if row is None:
        raise AssistantNotFound(assistant_id=assistant_id)
    if row["is_default"]:
        raise AssistantIsDefault(assistant_id=assistant_id)


def assistant_of(row: asyncpg.Record) -> Assistant:
    """The message of a row with COLUMNS."""
    return Assistant(
        assistant_id=row["assistant_id"],
        graph_id=row["graph_id"],
        version=row["version"],
        name=row["name"],
        description=row["description"],
        config=RunConfig.FromString(row["config"]),
        context=None if row["context"] is None else Json(text=row["context"]),
        metadata=Json(text=row["metadata"]),
        create_time=row["created_at"],
        update_time=row["updated_at"],
        is_default=row["is_default"],
    )
