"""Cancels runs whose readers asked for that and were cut off: the one thing that Stream decides.

The decision is core's SQL function, as it is when Dispatch asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from uuid import UUID

import asyncpg

from runwire.core import cancels, sql
from runwire.core.bus import Bus
from runwire.core.postgres import Pool, persistently

_log = logging.getLogger(__name__)

_SQL = sql.load(__file__)
_LIMIT_SECONDS = 10.0
_STATEMENT_SECONDS = 5.0


class Disconnects:
    """Owns the cancels that outlive their calls. Leaving the block waits for them."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Disconnects:
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_STATEMENT_SECONDS):
                while self._tasks:
                    await asyncio.wait(self._tasks)

    def cancel(self, tenant: str, run_id: UUID) -> None:
        """Begins to cancel a run; one that has ended is left as it is."""
        task = asyncio.create_task(self._cancel(tenant, run_id), name=f"cancel-{run_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _cancel(self, tenant: str, run_id: UUID) -> None:
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                row = await persistently(_STATEMENT_SECONDS, self._decide, tenant, run_id)
                await cancels.tell(self._bus, tenant, [row])
        except Exception as error:
            # Nobody is there to be told.
            details = {"action": "cancel_on_disconnect_failed", "run_id": str(run_id), "error": type(error).__name__}
            _log.warning("a run whose reader has gone could not be cancelled", extra=details)

    async def _decide(self, tenant: str, run_id: UUID) -> asyncpg.Record:
        return await self._pool.fetchrow(_SQL["cancel_run"], tenant, run_id, timeout=_STATEMENT_SECONDS)
