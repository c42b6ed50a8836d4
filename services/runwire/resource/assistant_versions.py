"""Versions of assistants in Postgres: adding one, listing them, and going back to one."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from runwire.api.resource.v1.assistants_pb2 import Assistant, AssistantVersion
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core import sql
from runwire.core.errors import AssistantNotFound, AssistantVersionNotFound, GraphNotFound, VersionMismatch
from runwire.core.pages import Page
from runwire.core.postgres import Pool
from runwire.resource.assistants import COLUMNS, assistant_of
from runwire.resource.graphs import is_published
from runwire.resource.listing import Conditions, Order, PageRequest, read_page

_SQL = {name: text.format(columns=COLUMNS) for name, text in sql.load(__file__).items()}

_NEWEST_FIRST = Order(column="v.version", id_column="v.assistant_id", descending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a new version changes; None: as in the latest. `context` and `metadata` are JSON texts."""

    graph_id: str | None = None
    name: str | None = None
    description: str | None = None
    config: RunConfig | None = None
    context: str | None = None
    metadata: str | None = None
    if_version: int | None = None

    def over(self, latest: asyncpg.Record) -> tuple[bytes, str | None]:
        """The new version's config and context. A new context puts out `configurable`, and the other way round."""
        config = RunConfig.FromString(latest["config"]) if self.config is None else self.config
        context = latest["context"] if self.context is None else self.context
        if self.context is not None:
            config.ClearField("configurable")
        elif config.HasField("configurable"):
            context = None
        return config.SerializeToString(deterministic=True), context


class AssistantVersions:
    """Reads and writes versions, a tenant's at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, tenant: str, assistant_id: str, changes: Changes) -> Assistant:
        """Adds a version and makes it the latest. Raises AssistantNotFound, VersionMismatch, GraphNotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            version = await connection.fetchval(_SQL["lock_assistant"], tenant, assistant_id)
            if version is None:
                raise AssistantNotFound(assistant_id=assistant_id)
            if changes.if_version not in (None, version):
                raise VersionMismatch(assistant_id=assistant_id, version=version)
            if changes.graph_id is not None and not await is_published(connection, changes.graph_id):
                raise GraphNotFound(graph_id=changes.graph_id)
            latest = await connection.fetchrow(_SQL["get_latest"], tenant, assistant_id, version)
            row = await connection.fetchrow(
                _SQL["add_version"],
                tenant,
                assistant_id,
                version,
                changes.graph_id,
                changes.name,
                changes.description,
                *changes.over(latest),
                changes.metadata,
            )
        return assistant_of(row)

    async def set_latest(self, tenant: str, assistant_id: str, version: int) -> Assistant:
        """Makes a version the latest. Raises AssistantNotFound, AssistantVersionNotFound."""
        row = await self._pool.fetchrow(_SQL["set_latest"], tenant, assistant_id, version)
        if row is None:
            await self._check_exists(tenant, assistant_id)
            raise AssistantVersionNotFound(assistant_id=assistant_id, version=version)
        return assistant_of(row)

    async def page(
        self, tenant: str, assistant_id: str, metadata_contains: str | None, request: PageRequest
    ) -> Page[AssistantVersion]:
        """One page of an assistant's versions, the newest first. Raises AssistantNotFound."""
        conditions = Conditions()
        conditions.add(_SQL["of_assistant"], tenant, assistant_id)
        if metadata_contains is not None:
            conditions.add(_SQL["with_metadata"], metadata_contains)
        page = await read_page(self._pool, _SQL["list_versions"], conditions, _NEWEST_FIRST, request, _version)
        if not page.messages:
            await self._check_exists(tenant, assistant_id)
        return page

    async def _check_exists(self, tenant: str, assistant_id: str) -> None:
        if not await self._pool.fetchval(_SQL["exists"], tenant, assistant_id):
            raise AssistantNotFound(assistant_id=assistant_id)


def _version(row: asyncpg.Record) -> AssistantVersion:
    return AssistantVersion(
        assistant_id=row["assistant_id"],
        version=row["version"],
        graph_id=row["graph_id"],
        name=row["name"],
        description=row["description"],
        config=RunConfig.FromString(row["config"]),
        context=None if row["context"] is None else Json(text=row["context"]),
        metadata=Json(text=row["metadata"]),
        create_time=row["created_at"],
    )
