"""Threads in Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import orjson

from runwire.api.resource.v1.threads_pb2 import Thread, ThreadStatus, ThreadTtl
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Interrupt, RunError
from runwire.core import checkpoint_upkeep, sql
from runwire.core.bus import Bus
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.errors import GraphNotFound, ThreadNotFound
from runwire.core.ids import RunKey
from runwire.core.pages import Page
from runwire.core.postgres import Pool, retrying
from runwire.resource.creation import check_same
from runwire.resource.graphs import is_published
from runwire.resource.listing import Conditions, Order, PageRequest, count_rows, read_page

# What the enums' names have before the words of Postgres.
_STATUS = "THREAD_STATUS_"
_STRATEGY = "TTL_STRATEGY_"

# A copy meets another one to the same id.
_COPY_SECONDS = 5

_SQL = sql.load(__file__)
_VIEWS = {False: _SQL["basic_columns"], True: f"{_SQL['basic_columns']},\n{_SQL['full_columns']}"}


def _statements(name: str) -> dict[bool, str]:
    return {full: _SQL[name].format(columns=columns) for full, columns in _VIEWS.items()}


_CREATE = _statements("create_thread")[True]
_GET_CREATED = _statements("get_created")[True]
_GET = _statements("get_thread")
_LIST = _statements("list_threads")
_COUNT = _SQL["count_threads"].format()
_UPDATE = _statements("update_thread")[True]
_COPY = _statements("copy_thread")[True]


@dataclass(frozen=True, slots=True)
class Ttl:
    """A time to live; `strategy` is `delete` or `keep_latest`."""

    strategy: str
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which threads to list; JSON texts as they came. What is empty or None does not filter."""

    thread_ids: Sequence[str] = ()
    status: int = ThreadStatus.THREAD_STATUS_UNSPECIFIED
    metadata_contains: str | None = None
    values_contain: str | None = None

    def conditions(self, tenant: str) -> Conditions:
        """All that a row must fulfil."""
        made = Conditions()
        made.add(_SQL["of_tenant"], tenant)
        if self.thread_ids:
            made.add(_SQL["with_ids"], list(self.thread_ids))
        if self.status == ThreadStatus.THREAD_STATUS_BUSY:
            made.add(_SQL["with_active_run"])
        elif self.status:
            made.add(_SQL["without_active_run"], ThreadStatus.Name(self.status).removeprefix(_STATUS).lower())
        if self.metadata_contains is not None:
            made.add(_SQL["with_metadata"], self.metadata_contains)
        if self.values_contain is not None:
            made.add(_SQL["with_values"], self.values_contain)
        return made


@dataclass(frozen=True, slots=True)
class Orphan:
    """An active run that was deleted; with the worker that may still execute it."""

    run: RunKey
    worker_id: UUID | None


class Threads:
    """Reads and writes threads, a tenant's at a time."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    async def create(
        self,
        tenant: str,
        thread_id: str,
        graph_id: str | None,
        metadata: str,
        ttl: Ttl | None,
        digest: bytes,
        *,
        keep: bool,
    ) -> Thread:
        """The new thread, or the one that is there. Raises IdReused, GraphNotFound."""
        life = (ttl.strategy, ttl.duration) if ttl else (None, None)
        while True:
            if row := await self._pool.fetchrow(_CREATE, tenant, thread_id, metadata, digest, *life, graph_id):
                return _thread(row, full=True)
            if row := await self._pool.fetchrow(_GET_CREATED, tenant, thread_id, digest):
                check_same(row, thread_id, keep=keep)
                return _thread(row, full=True)
            # Where the graph is known, the id was taken and is free again by now.
            if graph_id is not None and not await is_published(self._pool, graph_id):
                raise GraphNotFound(graph_id=graph_id)

    async def get(self, tenant: str, thread_id: str, *, full: bool) -> Thread:
        """Raises ThreadNotFound."""
        row = await self._pool.fetchrow(_GET[full], tenant, thread_id)
        if row is None:
            raise ThreadNotFound(thread_id=thread_id)
        return _thread(row, full=full)

    async def page(
        self, tenant: str, wanted: Filter, order: Order, request: PageRequest, *, full: bool
    ) -> Page[Thread]:
        """One page of threads."""
        conditions = wanted.conditions(tenant)
        return await read_page(self._pool, _LIST[full], conditions, order, request, lambda row: _thread(row, full=full))

    async def count(self, tenant: str, wanted: Filter) -> int:
        """How many threads there are in a list."""
        return await count_rows(self._pool, _COUNT, wanted.conditions(tenant))

    async def update(
        self, tenant: str, thread_id: str, metadata: str | None, ttl: Ttl | None, *, clear_ttl: bool
    ) -> Thread:
        """Merges metadata, a JSON text, and changes the time to live. Raises ThreadNotFound."""
        life = (ttl.strategy, ttl.duration) if ttl else (None, None)
        changes_ttl = clear_ttl or ttl is not None
        row = await self._pool.fetchrow(_UPDATE, tenant, thread_id, metadata, changes_ttl, *life)
        if row is None:
            raise ThreadNotFound(thread_id=thread_id)
        return _thread(row, full=True)

    async def copy(self, tenant: str, thread_id: str, target: str, digest: bytes) -> Thread:
        """The copy, as of one moment; or the one that this request has made before. Raises ThreadNotFound, IdReused."""
        copied: Thread = await retrying(_COPY_SECONDS)(self._copy, tenant, thread_id, target, digest)
        return copied

    async def _copy(self, tenant: str, thread_id: str, target: str, digest: bytes) -> Thread:
        keys = ThreadKeys(tenant)
        async with self._pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            row = await connection.fetchrow(_COPY, tenant, thread_id, target, digest)
            if row is not None:
                await checkpoint_upkeep.copy_thread(connection, keys.stored(thread_id), keys.stored(target))
                return _thread(row, full=True)
            row = await connection.fetchrow(_GET_CREATED, tenant, target, digest)
            if row is None or not (row["same_request"] or await connection.fetchval(_SQL["exists"], tenant, thread_id)):
                raise ThreadNotFound(thread_id=thread_id)
            check_same(row, target, keep=False)
            return _thread(row, full=True)

    async def delete(self, tenant: str, thread_id: str) -> None:
        """Deletes a thread with everything under it, then stops its runs. Raises ThreadNotFound."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetch(_SQL["lock_threads"], tenant, [thread_id]):
                raise ThreadNotFound(thread_id=thread_id)
            orphans = await delete_locked(connection, tenant, [thread_id])
        await stop_orphans(self._bus, orphans)


async def delete_threads_of_assistant(
    connection: asyncpg.Connection[asyncpg.Record], tenant: str, assistant_id: str
) -> Sequence[Orphan]:
    """Deletes, in the caller's transaction, the threads whose last run was of this assistant.

    Locks those on which it has active runs as well. The caller stops what is returned, once it has committed.
    """
    rows = await connection.fetch(_SQL["lock_threads_of_assistant"], tenant, assistant_id)
    return await delete_locked(connection, tenant, [row["thread_id"] for row in rows if row["was_last"]])


async def delete_locked(
    connection: asyncpg.Connection[asyncpg.Record], tenant: str, thread_ids: Sequence[str]
) -> Sequence[Orphan]:
    """Deletes threads whose locks the caller holds, with everything under them; see delete_threads_of_assistant."""
    rows = await connection.fetch(_SQL["delete_runs"], tenant, thread_ids)
    await connection.execute(_SQL["delete_state_requests"], tenant, thread_ids)
    await connection.execute(_SQL["delete_checkpoints"], tenant, thread_ids)
    await connection.execute(_SQL["delete_threads"], tenant, thread_ids)
    return [Orphan(RunKey(tenant, row["run_id"]), row["worker_id"]) for row in rows]


async def stop_orphans(bus: Bus, orphans: Sequence[Orphan]) -> None:
    """Tells workers to stop, and followers to look at the row, which is gone."""
    held = [(orphan.run, orphan.worker_id, "interrupt") for orphan in orphans if orphan.worker_id is not None]
    await asyncio.gather(bus.cancel(held), bus.publish([(bus.keys.events(orphan.run), b"") for orphan in orphans]))


def _thread(row: asyncpg.Record, *, full: bool) -> Thread:
    thread = Thread(
        thread_id=row["thread_id"],
        status=_STATUS + row["status"].upper(),
        metadata=Json(text=row["metadata"]),
        graph_id=row["graph_id"] or "",
        create_time=row["created_at"],
        update_time=row["updated_at"],
        state_update_time=row["state_updated_at"],
    )
    if row["ttl"] is not None:
        thread.ttl.CopyFrom(ThreadTtl(strategy=_STRATEGY + row["ttl_strategy"].upper(), duration=row["ttl"]))
        thread.expire_time = row["expires_at"]
    if row["status"] == "error":
        thread.error.CopyFrom(RunError(type=row["error_type"], message=row["error_message"] or ""))
    if full:
        if row["values"] is not None:
            thread.values.text = row["values"]
        thread.interrupts.extend(_interrupt(*fields) for fields in row["interrupts"])
    return thread


def _interrupt(
    interrupt_id: str | None, value: str | None, namespace: str | None, response_schema: str | None
) -> Interrupt:
    return Interrupt(
        interrupt_id=interrupt_id or "",
        value=None if value is None else Json(text=value),
        namespace=orjson.loads(namespace or "[]"),
        response_schema=None if response_schema is None else Json(text=response_schema),
    )
