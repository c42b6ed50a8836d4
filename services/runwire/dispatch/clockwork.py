"""What happens because time passes. Any number of replicas may do all of it at once.

Runs and state requests of dead workers are given back, state requests that nobody waits for are removed,
workers are woken for runs that are late, crons tick, and events past their retention are removed, as are claims of runs
that are long gone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from runwire.core import sql
from runwire.core.bus import Bus
from runwire.core.expiry import FOR_EVER, ThreadExpiry
from runwire.core.limits import NO_LIMITS, TenantLimits
from runwire.core.postgres import Pool
from runwire.core.repeating import repeating
from runwire.core.settings import Settings
from runwire.dispatch.cron_ticks import CronTicks
from runwire.dispatch.hints import Hints

_log = logging.getLogger(__name__)
_SQL = sql.load(__file__)

_WORKERS_AT_ONCE = 100
_QUESTIONS_AT_ONCE = 1000
_RUNS_LOOKED_AT = 10_000
_RUNS_EXPIRED_AT_ONCE = 100
_REMOVED_FORGOTTEN_AT_ONCE = 1000
_EXPIRY_INTERVAL = timedelta(minutes=1)
_TICK_INTERVAL = timedelta(seconds=0.5)
_DUE_INTERVAL = timedelta(seconds=0.5)


@asynccontextmanager
async def turning(
    pool: Pool, bus: Bus, settings: Settings, expiry: ThreadExpiry = FOR_EVER, limits: TenantLimits = NO_LIMITS
) -> AsyncIterator[None]:
    """The clockwork turns until the block ends."""
    work = Clockwork(pool, bus, settings)
    async with Hints(bus) as hints:
        steps = (
            (settings.sweep_interval, work.reap),
            (settings.sweep_interval, work.tend_questions),
            (settings.sweep_interval, work.wake_late_runs),
            (_DUE_INTERVAL, work.wake_due_runs),
            (min(settings.sweep_interval, _TICK_INTERVAL), CronTicks(pool, bus, hints, expiry, limits).tick_crons),
            (_EXPIRY_INTERVAL, work.expire_events),
            (_EXPIRY_INTERVAL, work.forget_removed_runs),
        )
        async with repeating(settings.postgres_timeout, *steps):
            yield


class Clockwork:
    """One turn of each wheel."""

    def __init__(self, pool: Pool, bus: Bus, settings: Settings) -> None:
        self._pool = pool
        self._bus = bus
        self._retention = settings.event_retention
        self._lateness = settings.sweep_interval

    async def reap(self) -> bool:
        """Gives the runs of dead workers back."""
        rows = await self._pool.fetch(_SQL["reap"], _WORKERS_AT_ONCE)
        if rows:
            _log.warning(
                "runs of dead workers are given back",
                extra={"action": "reaped", "run_ids": [str(row["run_id"]) for row in rows]},
            )
            await self._bus.wake(row["graph_id"] for row in rows)
        return False

    async def tend_questions(self) -> bool:
        """Removes state requests that nobody waits for; gives back those of dead workers."""
        held_up = await self._pool.fetch(_SQL["remove_expired_questions"], _QUESTIONS_AT_ONCE)
        await self._bus.wake([row["graph_id"] for row in held_up])
        rows = await self._pool.fetch(_SQL["give_back_questions"], _QUESTIONS_AT_ONCE)
        for graph_id in {row["graph_id"] for row in rows}:
            await self._bus.wake_for_state(graph_id)
        return False

    async def wake_late_runs(self) -> bool:
        """Wakes workers for runs that have been due for a while: a wake-up was lost."""
        rows = await self._pool.fetch(_SQL["late_graphs"], self._lateness)
        await self._bus.wake([row["graph_id"] for row in rows])
        return False

    async def wake_due_runs(self) -> bool:
        """Wakes workers for runs that were delayed and are due now."""
        rows = await self._pool.fetch(_SQL["due_graphs"], 3 * _DUE_INTERVAL, _RUNS_LOOKED_AT)
        await self._bus.wake([row["graph_id"] for row in rows])
        return False

    async def expire_events(self) -> bool:
        """Removes old runs' events, a batch at a time. True: there may be more."""
        rows = await self._pool.fetch(_SQL["expire_events"], self._retention, _RUNS_EXPIRED_AT_ONCE)
        return len(rows) == _RUNS_EXPIRED_AT_ONCE

    async def forget_removed_runs(self) -> bool:
        """Forgets runs that were removed long ago. True: there may be more."""
        removed = await self._pool.execute(_SQL["forget_removed_runs"], _REMOVED_FORGOTTEN_AT_ONCE)
        return bool(removed == f"DELETE {_REMOVED_FORGOTTEN_AT_ONCE}")
