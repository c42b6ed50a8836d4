"""What happens because time passes. Any number of replicas may do all of it at once.

Runs and state requests of dead workers are given back, state requests that nobody waits for are removed,
workers are woken for runs that are late, and events past their retention are removed.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from runwire.core import postgres, sql
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)
_SQL = sql.load(__file__)

_WORKERS_AT_ONCE = 100
_QUESTIONS_AT_ONCE = 1000
_RUNS_LOOKED_AT = 10_000
_RUNS_EXPIRED_AT_ONCE = 100
_EXPIRY_INTERVAL = timedelta(minutes=1)


@asynccontextmanager
async def turning(pool: Pool, bus: Bus, settings: Settings) -> AsyncIterator[None]:
    """The clockwork turns until the block ends."""
    work = Clockwork(pool, bus, settings)
    limit = settings.postgres_timeout.total_seconds()
    loops = [
        asyncio.create_task(_every(interval, limit, step), name=f"clockwork-{step.__name__}")
        for interval, step in (
            (settings.sweep_interval, work.reap),
            (settings.sweep_interval, work.tend_questions),
            (settings.sweep_interval, work.wake_late_runs),
            (_EXPIRY_INTERVAL, work.expire_events),
        )
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        for loop in loops:
            with suppress(asyncio.CancelledError):
                await loop


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
        await self._pool.execute(_SQL["remove_expired_questions"], _QUESTIONS_AT_ONCE)
        rows = await self._pool.fetch(_SQL["give_back_questions"], _QUESTIONS_AT_ONCE)
        for graph_id in {row["graph_id"] for row in rows}:
            await self._bus.wake_for_state(graph_id)
        return False

    async def wake_late_runs(self) -> bool:
        """Wakes workers for runs that are due: after a delay, or because the first wake-up was lost."""
        rows = await self._pool.fetch(_SQL["late_graphs"], self._lateness, _RUNS_LOOKED_AT)
        await self._bus.wake([row["graph_id"] for row in rows])
        return False

    async def expire_events(self) -> bool:
        """Removes old runs' events, a batch at a time. True: there may be more."""
        rows = await self._pool.fetch(_SQL["expire_events"], self._retention, _RUNS_EXPIRED_AT_ONCE)
        return len(rows) == _RUNS_EXPIRED_AT_ONCE


async def _every(interval: timedelta, limit: float, step: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if not await _once(step, limit):
            # Replicas that were started together drift apart.
            await asyncio.sleep(interval.total_seconds() * random.uniform(0.9, 1.1))


async def _once(step: Callable[[], Awaitable[bool]], limit: float) -> bool:
    try:
        async with asyncio.timeout(limit):
            return await step()
    except Exception as error:
        transient = postgres.is_transient(error)
        _log.log(
            logging.WARNING if transient else logging.ERROR,
            "a turn of the clockwork failed; the next one makes up for it",
            exc_info=None if transient else error,
            extra={"action": "clockwork_failed", "error": type(error).__name__},
        )
        return False
