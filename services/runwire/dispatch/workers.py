"""The workers that are alive, from their own rows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from runwire.api.dispatch.v1.workers_pb2 import Worker
from runwire.core import sql
from runwire.core.postgres import Pool

_SQL = sql.load(__file__)


class Workers:
    """Reads the table of workers. They belong to no tenant: each serves all of them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def list_page(
        self, graph_id: str | None, place: tuple[datetime, UUID] | None, limit: int
    ) -> list[asyncpg.Record]:
        """At most `limit` rows after `place`, the longest running first."""
        started_at, worker_id = place or (None, None)
        rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list"], graph_id, started_at, worker_id, limit)
        return rows


def worker_message(row: asyncpg.Record) -> Worker:
    """The message of a row."""
    worker = Worker(
        worker_id=str(row["worker_id"]),
        host=row["host"],
        version=row["version"],
        graph_ids=row["graph_ids"],
        slots=row["slots"],
        running=row["running"],
        draining=row["draining"],
    )
    worker.start_time.FromDatetime(row["started_at"])
    worker.heartbeat_time.FromDatetime(row["heartbeat_at"])
    return worker
