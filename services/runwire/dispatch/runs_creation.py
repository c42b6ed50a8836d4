"""Creates runs, one by one or many in one transaction, and tells Redis what follows from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import asyncpg

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from runwire.core import sql
from runwire.core.errors import (
    AssistantNotFound,
    CheckpointNotFound,
    IdReused,
    QuotaExceeded,
    Refusal,
    ThreadBusy,
    ThreadNotFound,
)
from runwire.core.expiry import FOR_EVER, ThreadExpiry
from runwire.core.ids import RunKey
from runwire.core.limits import NO_LIMITS, TenantLimits
from runwire.core.postgres import Pool, persistently
from runwire.core.run_message import RUN_COLUMNS, run_message
from runwire.dispatch.assistants import Assistant, Assistants
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import RunOrder, effective

_SQL = {
    name: statement.replace("{run_columns}", ", ".join(RUN_COLUMNS)) for name, statement in sql.load(__file__).items()
}
_RETRY_SECONDS = 2.0
_ASSISTANT_TRIES = 5
_OPEN_RUNS_RETRY = timedelta(seconds=1)


class _AssistantChanged(Exception):
    """An assistant that was remembered is not the one in the table any more."""


class RunCreation:
    """Stores runs. `expiry` is for the threads that it makes, `limits` bound the open runs of each tenant."""

    def __init__(
        self, pool: Pool, hints: Hints, expiry: ThreadExpiry = FOR_EVER, limits: TenantLimits = NO_LIMITS
    ) -> None:
        self._pool = pool
        self._hints = hints
        self._life = expiry.life
        self._limits = limits
        self._assistants = Assistants(pool)

    async def one(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        """The run's row. Safe to repeat: the run's id makes it the same run."""
        with _counting():
            row = await persistently(_RETRY_SECONDS, self._one, tenant, order)
        self._tell(tenant, order, row)
        return row

    async def all(self, tenant: str, orders: Sequence[RunOrder]) -> list[run_pb2.Run]:
        """The runs in the order of their orders: all of them or none. Safe to repeat.

        A Refusal's metadata has the `index` of the order that it is about.
        """
        with _counting():
            rows = await persistently(_RETRY_SECONDS, self._all, tenant, orders)
        for order, row in zip(orders, rows, strict=True):
            self._tell(tenant, order, row)
        return _messages(rows)

    async def _one(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        name, limit = order.request.assistant_id, self._limits.of(tenant).open_runs
        for _ in range(_ASSISTANT_TRIES):
            assistant = await self._assistants.find(tenant, name)
            if assistant is None:
                break
            row = await self._pool.fetchrow(_SQL["create"], *_values(tenant, order, assistant), *self._life, limit)
            if row["outcome"] != "assistant_changed":
                return _created(row, order)
            self._assistants.forget(tenant, name)
        return await self._created_before(tenant, order)

    async def _all(self, tenant: str, orders: Sequence[RunOrder]) -> list[asyncpg.Record]:
        names = {order.request.assistant_id for order in orders}
        found = dict[str, Assistant]()
        for _ in range(_ASSISTANT_TRIES):
            assistants = {name: await self._assistants.find(tenant, name) for name in names}
            found = {name: assistant for name, assistant in assistants.items() if assistant is not None}
            if len(found) < len(names):
                break
            try:
                return await self._insert_all(tenant, orders, found)
            except _AssistantChanged:
                for name in names:
                    self._assistants.forget(tenant, name)
        # An order whose assistant is missing is the one to be named.
        sequence = sorted(range(len(orders)), key=lambda number: orders[number].request.assistant_id in found)
        rows = {number: await self._named_created_before(tenant, orders[number], number) for number in sequence}
        return [rows[number] for number in range(len(orders))]

    async def _insert_all(
        self, tenant: str, orders: Sequence[RunOrder], assistants: Mapping[str, Assistant]
    ) -> list[asyncpg.Record]:
        # Whoever locks several threads does it in this order; runs of one thread stay in the caller's.
        sequence = sorted(range(len(orders)), key=lambda number: (orders[number].thread_id or "").encode())
        # All of them are counted together, at the end.
        values = [
            (*_values(tenant, orders[n], assistants[orders[n].request.assistant_id]), *self._life, None)
            for n in sequence
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            rows = dict(zip(sequence, await connection.fetchmany(_SQL["create"], values), strict=True))
            for number, order in enumerate(orders):
                if rows[number]["outcome"] == "assistant_changed":
                    raise _AssistantChanged
                with _naming(number):
                    _created(rows[number], order)
            limit = self._limits.of(tenant).open_runs
            if limit is not None and any(row["outcome"] == "created" for row in rows.values()):
                await connection.execute(_SQL["check_open_runs"], tenant, limit)
        return [rows[number] for number in range(len(orders))]

    async def _created_before(self, tenant: str, order: RunOrder) -> asyncpg.Record:
        """A repeated call gets its run even after the assistant was deleted."""
        row = await self._pool.fetchrow(_SQL["created_before"], tenant, order.run_id, order.digest)
        if row is None:
            raise AssistantNotFound(assistant_id=order.request.assistant_id)
        return _created(row, order)

    async def _named_created_before(self, tenant: str, order: RunOrder, number: int) -> asyncpg.Record:
        with _naming(number):
            return await self._created_before(tenant, order)

    def _tell(self, tenant: str, order: RunOrder, row: asyncpg.Record) -> None:
        if row["ready"] and not order.delay:
            self._hints.wake(row["graph_id"])
        if row["outcome"] != "created":
            return
        if row["ended"]:
            self._hints.ended(*(RunKey(tenant, run_id) for run_id in row["ended"]))
        if row["stopping_run_id"] is not None:
            stopping = RunKey(tenant, row["stopping_run_id"])
            self._hints.cancel(stopping, row["stopping_worker_id"], row["stopping_action"])
        self._hints.of_thread(tenant, order.thread_id, order.run_id)


@contextmanager
def _counting() -> Iterator[None]:
    """What the database says when the tenant would have too many open runs, as a refusal."""
    try:
        yield
    except asyncpg.ConfigurationLimitExceededError:
        raise QuotaExceeded("open_runs", _OPEN_RUNS_RETRY) from None


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """A Refusal says which run of a batch it is about."""
    try:
        yield
    except Refusal as refusal:
        refusal.metadata["index"] = str(number)
        raise


def _values(tenant: str, order: RunOrder, assistant: Assistant) -> tuple[Any, ...]:
    request = effective(order, assistant)
    checkpoint_id, checkpoint_ns = order.checkpoint or (None, "")
    return (
        order.run_id,
        tenant,
        order.thread_id,
        order.creates_thread,
        assistant.assistant_id,
        assistant.version,
        assistant.graph_id,
        order.strategy,
        order.delay,
        request.SerializeToString(),
        order.digest,
        assistant.metadata,
        order.request.metadata.text or "{}",
        request.event_log == runs_pb2.EVENT_LOG_ON,
        order.run_timeout,
        assistant.created_at,
        order.request.assistant_id,
        request.webhook.SerializeToString() if request.HasField("webhook") else None,
        checkpoint_id,
        checkpoint_ns,
    )


def _created(row: asyncpg.Record, order: RunOrder) -> asyncpg.Record:
    match row["outcome"]:
        case "id_reused":
            raise IdReused(id=order.run_id)
        case "thread_not_found":
            raise ThreadNotFound(thread_id=order.thread_id)
        case "checkpoint_not_found":
            raise CheckpointNotFound(thread_id=order.thread_id, checkpoint_id=order.request.checkpoint.checkpoint_id)
        case "thread_busy":
            raise ThreadBusy(thread_id=order.thread_id)
    return row


def _messages(rows: Sequence[asyncpg.Record]) -> list[run_pb2.Run]:
    """Runs of one batch. One may have ended another of them before anybody saw it."""
    runs = {row["run_id"]: run_message(row) for row in rows}
    for row in rows:
        if row["outcome"] != "created":
            continue
        for run_id, ended_at in zip(row["ended"] or (), row["ended_at"] or (), strict=True):
            if run_id in runs:
                runs[run_id].status = run_pb2.RUN_STATUS_CANCELLED
                runs[run_id].finish_time.FromDatetime(ended_at)
    return [runs[row["run_id"]] for row in rows]
