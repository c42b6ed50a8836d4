"""Reads a run's row and its event log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from runwire.core import sql
from runwire.core.errors import EventsExpired
from runwire.core.postgres import Pool, persistently
from runwire.stream.batch import Batch
from runwire.stream.position import Position

_SQL = sql.load(__file__)
_PAGE_BYTES = 512 * 1024
_PAGE_BATCHES = 256
_FIRST_LOOK_SECONDS = 5.0
_STATEMENT_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """What following a run needs of its row."""

    thread_id: str | None
    status: str
    claim: int
    has_begun: bool
    event_log: bool
    events_expired: bool
    error_type: str | None
    error_message: str | None
    finished_at: datetime | None
    has_just_ended: bool
    """Within the last few seconds: its last events may still be on their way."""

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.finished_at is not None

    def may_still_log(self, claim: int) -> bool:
        """Whether events of a claim may still come into the log."""
        return self.status == "running" and self.claim <= claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A run at one moment: its row (None: there is none) and a page of its log, with `has_more` behind it.

    Of one that was deleted after its end, `removed_with` is the status that it had.
    """

    row: RunRow | None
    batches: tuple[Batch, ...] = ()
    has_more: bool = False
    removed_with: str | None = None


class Log:
    """One run's row and log, for a caller of a tenant."""

    def __init__(self, pool: Pool, tenant: str, run_id: UUID) -> None:
        self._pool = pool
        self._tenant = tenant
        self.run_id = run_id

    async def first_look(self, after: Position) -> Look:
        """As `look`, tried again for a few seconds while Postgres is away."""
        return await persistently(_FIRST_LOOK_SECONDS, self.look, after)

    async def look(self, after: Position) -> Look:
        """The row, and the log after a position, of the same moment. Raises what asyncpg raises."""
        arguments = (self._tenant, self.run_id, *after, _PAGE_BYTES, _PAGE_BATCHES)
        rows = await self._pool.fetch(_SQL["look"], *arguments, timeout=_STATEMENT_SECONDS)
        if not rows:
            return Look(row=None, removed_with=await self.final_status_of_removed())
        batches = tuple(
            Batch(row["batch_claim"], row["first_seq"], row["last_seq"], row["events"])
            for row in rows
            if row["events"] is not None
        )
        found = rows[0]["found"] or 0
        return Look(row=_run_row(rows[0]), batches=batches, has_more=found > len(batches) or found == _PAGE_BATCHES)

    async def final_status_of_removed(self) -> str | None:
        """How the run ended, where it was deleted after its end. Raises what asyncpg raises."""
        arguments = (self._tenant, self.run_id)
        status: str | None = await self._pool.fetchval(
            _SQL["final_status_of_removed"], *arguments, timeout=_STATEMENT_SECONDS
        )
        return status

    async def newest_batch(self) -> Batch | None:
        """The last batch of the log. Raises EventsExpired, and what asyncpg raises."""
        row = await self._pool.fetchrow(_SQL["newest_batch"], self._tenant, self.run_id, timeout=_STATEMENT_SECONDS)
        if row is None:
            return None
        if row["events_expired"]:
            raise EventsExpired(run_id=self.run_id)
        if row["events"] is None:
            return None
        return Batch(row["claim"], row["first_seq"], row["last_seq"], row["events"])


def _run_row(row: asyncpg.Record) -> RunRow:
    return RunRow(
        thread_id=row["thread_id"],
        status=row["status"],
        claim=row["claim"],
        has_begun=row["has_begun"],
        event_log=row["event_log"],
        events_expired=row["events_expired"],
        error_type=row["error_type"],
        error_message=row["error_message"],
        finished_at=row["finished_at"],
        has_just_ended=row["has_just_ended"],
    )
