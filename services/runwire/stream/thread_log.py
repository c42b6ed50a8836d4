"""Reads which runs of a thread come next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from runwire.core import sql
from runwire.core.errors import ThreadNotFound
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool
from runwire.stream.log import Log

_SQL = sql.load(__file__)
_PAGE_RUNS = 100
_STATEMENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A run that began, or ended without a beginning; that moment; and whether it has ended."""

    run_id: UUID
    began_at: datetime
    is_final: bool


@dataclass(frozen=True, slots=True)
class NextRuns:
    """A thread at one moment: a page of the runs to be told, and the run that will begin next."""

    now: datetime
    begun: tuple[BegunRun, ...]
    next_run: UUID | None
    last_began_at: datetime | None = None
    """Where no moment was given: when the last of its runs began, or else when it was created."""


class ThreadLog:
    """One thread's runs, for a caller of a tenant."""

    def __init__(self, pool: Pool, tenant: str, thread_id: str) -> None:
        self._pool = pool
        self._tenant = tenant
        self.thread_id = thread_id

    def key(self, run_id: UUID) -> RunKey:
        """What tells one of its runs from those of other tenants."""
        return RunKey(self._tenant, run_id)

    def of_run(self, run_id: UUID) -> Log:
        """The log of one of its runs."""
        return Log(self._pool, self._tenant, run_id)

    async def next_runs(self, after: datetime | None) -> NextRuns:
        """The runs that began after a moment, in order; None: those that are active now. Raises ThreadNotFound."""
        arguments = (self._tenant, self.thread_id, after, _PAGE_RUNS)
        rows = await self._pool.fetch(_SQL["next_runs"], *arguments, timeout=_STATEMENT_SECONDS)
        if not rows:
            raise ThreadNotFound(thread_id=self.thread_id)
        next_run = next((row["run_id"] for row in rows if row["is_next"]), None)
        # Only as many as a page has are certain to have nothing between them.
        begun = [row for row in rows if row["began_at"] is not None][:_PAGE_RUNS]
        if next_run is not None:
            _leave_early_ends(begun)
        runs = tuple(BegunRun(row["run_id"], row["began_at"], row["is_final"]) for row in begun)
        return NextRuns(rows[0]["now"], runs, next_run, rows[0]["last_began_at"])

    async def has_run(self, run_id: UUID) -> bool | None:
        """Whether a run is one of this thread; None: there is no such run."""
        arguments = (self._tenant, run_id, self.thread_id)
        found: bool | None = await self._pool.fetchval(_SQL["is_of_thread"], *arguments, timeout=_STATEMENT_SECONDS)
        return found


def _leave_early_ends(begun: list[asyncpg.Record]) -> None:
    """Leaves out recent ends without a beginning at the end of the list.

    The next run may be being claimed with an earlier time, in a transaction that can't be seen yet, and comes before
    them. Where a run began after them, this can't be.
    """
    while begun and begun[-1]["may_be_early"]:
        begun.pop()
