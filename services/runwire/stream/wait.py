"""Waits for a run's end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import orjson

from runwire.api.stream.v1.stream_pb2 import WaitRunResponse
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Interrupt
from runwire.core import sql
from runwire.core.errors import RunNotFound
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool, persistently
from runwire.core.run_message import run_message
from runwire.stream.batch import Batch
from runwire.stream.fanout import Channel, Fanout, wait_for

_SQL = sql.load(__file__)
_READ_SECONDS = 5.0
_STATEMENT_SECONDS = 10.0


class EndSignal:
    """Woken when a run may have ended."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()

    def take(self, batch: Batch | None) -> None:
        """Called by the fan-out."""
        if batch is None or batch.finished:
            self.woken.set()


class Waiting:
    """Waits for runs. What it wakes by is live; what it answers is in Postgres."""

    def __init__(self, pool: Pool, fanout: Fanout, poll: float) -> None:
        """`poll` seconds pass between looks at a run of which nothing is heard."""
        self._pool = pool
        self._fanout = fanout
        self._poll = poll

    async def wait(self, tenant: str, run_id: UUID, timeout: float) -> WaitRunResponse:
        """The run at its end, or as it is after `timeout` seconds. Raises RunNotFound, ServerDraining."""
        if timeout <= 0:
            return _response(await self._read(tenant, run_id))
        until = asyncio.get_running_loop().time() + timeout
        signal = EndSignal()
        async with self._fanout.join(RunKey(tenant, run_id), signal) as channel:
            return _response(await self._wait(tenant, run_id, signal, channel, until))

    async def _wait(
        self, tenant: str, run_id: UUID, signal: EndSignal, channel: Channel, until: float
    ) -> asyncpg.Record:
        now = asyncio.get_running_loop().time
        while True:
            row = await self._read(tenant, run_id)
            if row["finished_at"] is not None or now() >= until:
                return row
            await wait_for(signal.woken, min(until, now() + self._poll))
            channel.check_open()

    async def _read(self, tenant: str, run_id: UUID) -> asyncpg.Record:
        row = await persistently(
            _READ_SECONDS, self._pool.fetchrow, _SQL["read_run"], tenant, run_id, timeout=_STATEMENT_SECONDS
        )
        if row is None:
            raise RunNotFound(run_id=run_id)
        return row


def _response(row: asyncpg.Record) -> WaitRunResponse:
    response = WaitRunResponse(run=run_message(row), interrupts=_interrupts(row))
    if row["output"] is not None:
        response.output.text = row["output"]
    return response


def _interrupts(row: asyncpg.Record) -> Iterator[Interrupt]:
    columns = (row[name] or () for name in ("ids", "payloads", "namespaces", "schemas"))
    for interrupt_id, payload, namespace, schema in zip(*columns, strict=True):
        yield Interrupt(
            interrupt_id=interrupt_id or "",
            value=None if payload is None else Json(text=payload),
            namespace=orjson.loads(namespace or "null") or (),
            response_schema=None if schema is None else Json(text=schema),
        )
