"""What happens when a time to live is over. Any number of replicas may do it at once."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from runwire.core.expiry import Expiry
from runwire.core.postgres import Pool
from runwire.core.repeating import repeating
from runwire.core.settings import Settings
from runwire.core.store_items import SQL as ITEMS
from runwire.resource.pruning import Pruning

_log = logging.getLogger(__name__)

_ITEMS_AT_ONCE = 1000
_TURN_LIMIT = timedelta(minutes=2)


@asynccontextmanager
async def sweeping(pool: Pool, expiry: Expiry, settings: Settings) -> AsyncIterator[None]:
    """Sweeps until the block ends."""
    sweeper = Sweeper(pool)
    otherwise = settings.expiry_interval
    async with repeating(
        _TURN_LIMIT,
        (expiry.threads.sweep_interval(otherwise), sweeper.sweep_threads),
        (expiry.items.sweep_interval(otherwise), sweeper.sweep_items),
    ):
        yield


class Sweeper:
    """One batch at a time. Each step returns whether there may be more to do."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._pruning = Pruning(pool)

    async def sweep_threads(self) -> bool:
        """Deletes or prunes threads without an active run."""
        count, more = await self._pruning.sweep()
        _tell("threads", count)
        return more

    async def sweep_items(self) -> bool:
        """Deletes items."""
        count = await self._pool.fetchval(ITEMS["sweep_expired"], _ITEMS_AT_ONCE)
        _tell("items", count)
        return bool(count == _ITEMS_AT_ONCE)


def _tell(what: str, count: int) -> None:
    if count:
        _log.info("expired ones are gone", extra={"action": "swept", "what": what, "count": count})
