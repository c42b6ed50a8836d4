"""Crons in Postgres. Locks are always taken in this order: assistant, thread, cron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.crons_pb2 import Cron, CronFilter
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import pages, sql
from runwire.core.errors import AssistantNotFound, CronNotFound, IdReused, Refusal, ThreadNotFound
from runwire.core.expiry import FOR_EVER, ThreadExpiry
from runwire.core.ids import default_assistant_id
from runwire.core.pages import Page
from runwire.core.paging import Place
from runwire.core.postgres import Pool
from runwire.dispatch.cron_requests import CronChange, CronOrder, CronPage
from runwire.dispatch.schedules import Schedule, Timing

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CRON_COLUMNS = (
    "cron_id, schedule, time_zone, request, enabled, end_at, next_tick_at, missed_ticks,"
    " metadata, created_at, updated_at"
)
_SORT_COLUMNS = ("created_at", "updated_at", "next_tick_at")


def _statements() -> dict[str, str]:
    texts = dict(sql.load(__file__))
    columns: dict[str, str] = {"cron_columns": _CRON_COLUMNS, "conditions": texts.pop("conditions")}
    template = texts.pop("list")
    for column in _SORT_COLUMNS:
        for ascending in (True, False):
            texts[_list_name(column, ascending)] = template.format(**columns, **_order(column, ascending))
    return {name: text if name.startswith("list_") else text.format(**columns) for name, text in texts.items()}


def _list_name(column: str, ascending: bool) -> str:
    return f"list_by_{column}_{'ascending' if ascending else 'descending'}"


def _order(column: str, ascending: bool) -> dict[str, str]:
    none = "'infinity'" if ascending else "'-infinity'"
    return {
        "key": f"COALESCE({column}, {none})" if column == "next_tick_at" else column,
        "none": none,
        "beyond": ">" if ascending else "<",
        "direction": "ASC" if ascending else "DESC",
    }


_SQL = _statements()


@dataclass(frozen=True, slots=True)
class _Target:
    """What a cron's runs run, and on what."""

    assistant_id: str
    thread_id: str | None


class Crons:
    """Reads and writes crons, a tenant's at a time."""

    def __init__(self, pool: Pool, expiry: ThreadExpiry = FOR_EVER) -> None:
        self._pool = pool
        self._expiry = expiry

    async def create(self, tenant: str, order: CronOrder) -> Cron:
        """The new cron, or the one that the same call has stored before."""
        while True:
            if row := await self._pool.fetchrow(_SQL["get_created"], tenant, order.cron_id, order.digest):
                if not row["same_request"]:
                    raise IdReused(id=order.cron_id)
                return _cron(row)
            # Another call may have stored it meanwhile.
            if row := await self._insert(tenant, order):
                return _cron(row)

    async def _insert(self, tenant: str, order: CronOrder) -> asyncpg.Record | None:
        async with self._pool.acquire() as connection, connection.transaction():
            target = await self._lock_target(connection, tenant, order.run)
            if isinstance(target, Refusal):
                raise target
            now = await connection.fetchval(_SQL["now"])
            return await connection.fetchrow(
                _SQL["create"],
                tenant,
                order.cron_id,
                target.assistant_id,
                target.thread_id,
                order.timing.schedule.text,
                order.timing.schedule.time_zone,
                order.run.SerializeToString(),
                order.digest,
                order.metadata,
                order.timing.enabled,
                order.timing.end,
                order.timing.next_tick(now),
            )

    async def get(self, tenant: str, cron_id: str) -> Cron:
        """Raises CronNotFound."""
        return _cron(_found(await self._pool.fetchrow(_SQL["get"], tenant, cron_id), cron_id))

    async def page(self, tenant: str, wanted: CronPage) -> Page[Cron]:
        """A page of crons."""
        after = (None, None) if wanted.after is None else (wanted.after.key or None, wanted.after.row_id)
        return await pages.read(
            self._pool,
            _SQL[_list_name(wanted.column, wanted.ascending)],
            [*_conditions(tenant, wanted.where), *after, wanted.size + 1],
            size=wanted.size,
            bound_to=wanted.bound_to,
            convert=_cron,
            place_of=lambda row: Place(row[wanted.column] or "", row["cron_id"]),
        )

    async def count(self, tenant: str, where: CronFilter) -> int:
        """How many crons there are."""
        return int(await self._pool.fetchval(_SQL["count"], *_conditions(tenant, where)))

    async def update(self, tenant: str, change: CronChange) -> Cron:
        """The cron after the change. Raises CronNotFound, AssistantNotFound or ThreadNotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            target = None if change.run is None else await self._lock_target(connection, tenant, change.run)
            row = _found(await connection.fetchrow(_SQL["lock"], tenant, change.cron_id), change.cron_id)
            if isinstance(target, Refusal):
                raise target
            before = timing_of(row)
            after = change.timing(before)
            changed = await connection.fetchrow(
                _SQL["update"],
                tenant,
                change.cron_id,
                after.schedule.text,
                after.schedule.time_zone,
                after.enabled,
                after.end,
                after.changed_from(before, row["next_tick_at"], row["now"]),
                change.metadata,
                None if change.run is None else change.run.SerializeToString(),
                None if target is None else target.assistant_id,
                None if target is None else target.thread_id,
            )
        return _cron(changed)

    async def delete(self, tenant: str, cron_id: str) -> None:
        """Raises CronNotFound."""
        _found(await self._pool.fetchrow(_SQL["delete"], tenant, cron_id), cron_id)

    async def _lock_target(self, connection: Connection, tenant: str, run: CreateRunRequest) -> _Target | Refusal:
        """What a request names, kept from being deleted; or why it can't be had. A thread is made as by a run."""
        name = run.assistant_id
        assistant_id = await connection.fetchval(_SQL["lock_assistant"], tenant, name, default_assistant_id(name))
        if assistant_id is None:
            return AssistantNotFound(assistant_id=name)
        if not run.thread_id:
            return _Target(assistant_id, None)
        if run.if_thread_missing == runs_pb2.IF_THREAD_MISSING_CREATE:
            await connection.execute(_SQL["make_thread"], tenant, run.thread_id, *self._expiry.life)
        if not await connection.fetchval(_SQL["lock_thread"], tenant, run.thread_id):
            return ThreadNotFound(thread_id=run.thread_id)
        return _Target(assistant_id, run.thread_id)


def timing_of(row: asyncpg.Record) -> Timing:
    """When a stored cron ticks."""
    return Timing(Schedule(row["schedule"], row["time_zone"]), row["enabled"], row["end_at"])


def _found(row: asyncpg.Record | None, cron_id: str) -> asyncpg.Record:
    if row is None:
        raise CronNotFound(cron_id=cron_id)
    return row


def _conditions(tenant: str, where: CronFilter) -> tuple[Any, ...]:
    name = where.assistant_id
    return (
        tenant,
        # A graph's id stands for its default assistant, as it does in a run.
        [name, default_assistant_id(name)] if name else None,
        where.thread_id or None,
        where.enabled if where.HasField("enabled") else None,
        where.metadata_contains.text if where.HasField("metadata_contains") else None,
    )


def _cron(row: asyncpg.Record) -> Cron:
    return Cron(
        cron_id=row["cron_id"],
        schedule=row["schedule"],
        time_zone=row["time_zone"],
        run=CreateRunRequest.FromString(row["request"]),
        enabled=row["enabled"],
        end_time=row["end_at"],
        metadata=Json(text=row["metadata"]),
        create_time=row["created_at"],
        update_time=row["updated_at"],
        next_tick_time=row["next_tick_at"],
        missed_ticks=row["missed_ticks"],
    )
