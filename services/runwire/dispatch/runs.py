"""Runs in Postgres: each decision is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from runwire.api.dispatch.v1.runs_pb2 import RunFilter
from runwire.api.type.v1.run_pb2 import Run
from runwire.core import pages, sql
from runwire.core.errors import RunNotFinished, RunNotFound
from runwire.core.expiry import FOR_EVER, ThreadExpiry
from runwire.core.ids import default_assistant_id
from runwire.core.limits import NO_LIMITS, TenantLimits
from runwire.core.pages import Page
from runwire.core.paging import Place
from runwire.core.postgres import Pool, persistently
from runwire.core.run_message import RUN_COLUMNS, STATUSES, run_message
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import RunOrder
from runwire.dispatch.runs_checks import MAX_CANCELLED, CancelOrder, Moment
from runwire.dispatch.runs_creation import RunCreation

_SQL = {
    name: statement.replace("{run_columns}", ", ".join(RUN_COLUMNS)) for name, statement in sql.load(__file__).items()
}
_RETRY_SECONDS = 2.0
_WORDS = {number: word for word, number in STATUSES.items()}


class Runs:
    """Creates, finds, cancels and deletes runs, and tells Redis what follows from it."""

    def __init__(
        self, pool: Pool, hints: Hints, expiry: ThreadExpiry = FOR_EVER, limits: TenantLimits = NO_LIMITS
    ) -> None:
        self._pool = pool
        self._hints = hints
        self._creation = RunCreation(pool, hints, expiry, limits)

    async def create(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        """The run's row. Safe to repeat: the run's id makes it the same run."""
        return await self._creation.one(tenant, order)

    async def create_all(self, tenant: str, orders: Sequence[RunOrder]) -> list[Run]:
        """All of the runs, in the order of their orders, or none."""
        return await self._creation.all(tenant, orders)

    async def get(self, tenant: str, run_id: UUID) -> asyncpg.Record:
        """A run's row."""
        row = await self._pool.fetchrow(_SQL["get"], tenant, run_id)
        if row is None:
            raise RunNotFound(run_id=run_id)
        return row

    async def page(
        self, tenant: str, where: RunFilter, place: Moment | None, *, ascending: bool, size: int, bound_to: str
    ) -> Page[Run]:
        """A page of the runs behind `place`, ordered by creation."""
        name = f"list_{'of_thread_' if where.thread_id else ''}{'oldest' if ascending else 'newest'}_first"
        return await pages.read(
            self._pool,
            _SQL[name],
            [tenant, *_conditions(where), *(place or (None, None)), size + 1, *_thread(where)],
            size=size,
            bound_to=bound_to,
            convert=run_message,
            place_of=lambda row: Place(row["created_at"], str(row["run_id"])),
        )

    async def count(self, tenant: str, where: RunFilter) -> int:
        """How many runs."""
        name = "count_of_thread" if where.thread_id else "count"
        return int(await self._pool.fetchval(_SQL[name], tenant, *_conditions(where), *_thread(where)))

    async def delete(self, tenant: str, run_id: UUID) -> None:
        """Removes a run that has ended, with its events."""
        row = await self._pool.fetchrow(_SQL["delete"], tenant, run_id)
        if row is None:
            raise RunNotFound(run_id=run_id)
        if not row["finished"]:
            raise RunNotFinished(run_id=run_id)

    async def cancel(self, tenant: str, run_id: UUID, action: str) -> asyncpg.Record:
        """The run's row after the decision."""
        row = await self._pool.fetchrow(_SQL["cancel"], tenant, run_id, action)
        if row["outcome"] == "not_found":
            raise RunNotFound(run_id=run_id)
        self._hints.cancelled(tenant, [row])
        return row

    async def cancel_all(self, tenant: str, order: CancelOrder) -> list[asyncpg.Record]:
        """The rows of those that were active, after the decision."""
        rows = await persistently(_RETRY_SECONDS, self._cancel_all, tenant, order)
        self._hints.cancelled(tenant, rows)
        return rows

    async def _cancel_all(self, tenant: str, order: CancelOrder) -> list[asyncpg.Record]:
        # By id alone: a statement that arrives when its caller was answered long ago ends nothing that came after.
        run_ids = order.run_ids or await self._active(tenant, order)
        arguments = (tenant, run_ids, order.action, order.status)
        rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["cancel_listed"], *arguments)
        return rows

    async def _active(self, tenant: str, order: CancelOrder) -> list[UUID]:
        arguments = (tenant, order.thread_id, order.status, order.action, MAX_CANCELLED)
        return [row["run_id"] for row in await self._pool.fetch(_SQL["active"], *arguments)]


def _conditions(where: RunFilter) -> tuple[Any, ...]:
    name = where.assistant_id
    return (
        _statuses(where),
        # A graph's id stands for its default assistant, as it does in a request.
        [name, default_assistant_id(name)] if name else None,
        where.metadata_contains.text if where.HasField("metadata_contains") else None,
    )


def _thread(where: RunFilter) -> list[str]:
    return [where.thread_id] if where.thread_id else []


def _statuses(where: RunFilter) -> list[str] | None:
    if not where.statuses or 0 in where.statuses:
        return None
    return [_WORDS[number] for number in where.statuses]
