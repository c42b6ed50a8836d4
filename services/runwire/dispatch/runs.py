"""Runs in Postgres: each decision is one statement."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.runs_pb2 import RunFilter
from runwire.core import sql
from runwire.core.errors import AssistantNotFound, IdReused, RunNotFound, ThreadBusy, ThreadNotFound
from runwire.core.postgres import Pool, retrying
from runwire.core.run_message import RUN_COLUMNS, STATUSES
from runwire.dispatch.assistants import Assistant, Assistants
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import RunOrder, effective

_SQL = {
    name: statement.replace("{run_columns}", ", ".join(RUN_COLUMNS)) for name, statement in sql.load(__file__).items()
}
_RETRY_SECONDS = 2.0
_ASSISTANT_TRIES = 5
_WORDS = {number: word for word, number in STATUSES.items()}


class Runs:
    """Creates, finds and cancels runs, and tells Redis what follows from it."""

    def __init__(self, pool: Pool, hints: Hints) -> None:
        self._pool = pool
        self._hints = hints
        self._assistants = Assistants(pool)

    async def create(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        """The run's row. Safe to repeat: the run's id makes it the same run."""
        row: asyncpg.Record = await retrying(_RETRY_SECONDS)(self._create, tenant, order)
        if row["ready"]:
            self._hints.wake(row["graph_id"])
        return row

    async def _create(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        name = order.request.assistant_id
        for _ in range(_ASSISTANT_TRIES):
            assistant = await self._assistants.find(tenant, name)
            if assistant is None:
                break
            row = await self._insert(tenant, order, assistant)
            if row["outcome"] != "assistant_changed":
                return _created(row, order)
            self._assistants.forget(tenant, name)
        return await self._created_before(tenant, order)

    async def _insert(self, tenant: str, order: RunOrder, assistant: Assistant) -> asyncpg.Record:
        request = effective(order, assistant)
        return await self._pool.fetchrow(
            _SQL["create"],
            order.run_id,
            tenant,
            order.thread_id,
            order.creates_thread,
            assistant.assistant_id,
            assistant.version,
            assistant.graph_id,
            order.strategy,
            timedelta(),
            request.SerializeToString(),
            order.digest,
            assistant.metadata,
            order.request.metadata.text or "{}",
            request.event_log == runs_pb2.EVENT_LOG_ON,
            order.run_timeout,
            assistant.created_at,
            order.request.assistant_id,
        )

    async def _created_before(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        """A repeated call gets its run even after the assistant was deleted."""
        row = await self._pool.fetchrow(_SQL["created_before"], tenant, order.run_id, order.digest)
        if row is None:
            raise AssistantNotFound(assistant_id=order.request.assistant_id)
        return _created(row, order)

    async def get(self, tenant: str, run_id: UUID) -> asyncpg.Record:
        """A run's row."""
        row = await self._pool.fetchrow(_SQL["get"], tenant, run_id)
        if row is None:
            raise RunNotFound(run_id=run_id)
        return row

    async def list_page(
        self,
        tenant: str,
        where: RunFilter,
        place: tuple[datetime, UUID] | None,
        *,
        ascending: bool,
        limit: int,
    ) -> list[asyncpg.Record]:
        """At most `limit` rows after `place`, ordered by creation."""
        name = f"list_{'of_thread_' if where.thread_id else ''}{'oldest' if ascending else 'newest'}_first"
        created_at, run_id = place or (None, None)
        rows: list[asyncpg.Record] = await self._pool.fetch(
            _SQL[name],
            tenant,
            _statuses(where),
            where.assistant_id or None,
            where.metadata_contains.text if where.HasField("metadata_contains") else None,
            created_at,
            run_id,
            limit,
            *([where.thread_id] if where.thread_id else []),
        )
        return rows

    async def cancel(self, tenant: str, run_id: UUID, action: str) -> asyncpg.Record:
        """The run's row after the decision."""
        row = await self._pool.fetchrow(_SQL["cancel"], tenant, run_id, action)
        match row["outcome"]:
            case "not_found":
                raise RunNotFound(run_id=run_id)
            case "requested":
                self._hints.cancel(run_id, row["worker_id"], row["cancel_action"])
            case "cancelled":
                self._hints.ended(run_id)
        if row["promoted_graph_id"] is not None:
            self._hints.wake(row["promoted_graph_id"])
        return row


def _created(row: asyncpg.Record, order: RunOrder) -> asyncpg.Record:
    match row["outcome"]:
        case "id_reused":
            raise IdReused(id=order.run_id)
        case "thread_not_found":
            raise ThreadNotFound(thread_id=order.thread_id)
        case "thread_busy":
            raise ThreadBusy(thread_id=order.thread_id)
    return row


def _statuses(where: RunFilter) -> list[str] | None:
    if not where.statuses or 0 in where.statuses:
        return None
    return [_WORDS[number] for number in where.statuses]
