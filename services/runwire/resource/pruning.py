"""Freeing what threads hold: the threads themselves, or all of their history but the latest state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import asyncpg

from runwire.core import checkpoint_upkeep, sql
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.checkpoint_upkeep import Connection
from runwire.core.postgres import Pool
from runwire.resource.threads import delete_locked

_SQL = sql.load(__file__)

# The threads of one transaction are locked until it ends, so that nobody can create a run on them meanwhile.
_THREADS_AT_ONCE = 10


class Pruning:
    """Prunes threads that have no active run, a few at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def prune(self, tenant: str, thread_ids: Sequence[str], *, keep_latest: bool) -> int:
        """Prunes a tenant's threads; returns how many there were. What has been done stays done if it fails midway."""
        ids = sorted(set(thread_ids))
        batches = [ids[at : at + _THREADS_AT_ONCE] for at in range(0, len(ids), _THREADS_AT_ONCE)]
        return sum([await self._prune(tenant, batch, keep_latest=keep_latest) for batch in batches])

    async def _prune(self, tenant: str, thread_ids: Sequence[str], *, keep_latest: bool) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await connection.fetch(_SQL["lock_idle"], tenant, thread_ids)
            names = [row["thread_id"] for row in locked]
            rows = await connection.fetch(_SQL["still_idle"], [tenant] * len(names), names)
            idle = [row["thread_id"] for row in rows]
            await (_keep_latest if keep_latest else delete_locked)(connection, tenant, idle)
        return len(idle)

    async def sweep(self) -> tuple[int, bool]:
        """Deletes or prunes some threads whose time is over, of all tenants. Any number of callers at once.

        Returns how many there were, and whether there may be more.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await connection.fetch(_SQL["lock_expired"], _THREADS_AT_ONCE)
            names = [row["tenant"] for row in locked], [row["thread_id"] for row in locked]
            rows = await connection.fetch(_SQL["still_idle"], *names) if locked else []
            for (tenant, strategy), thread_ids in _grouped(rows).items():
                if strategy == "delete":
                    await delete_locked(connection, tenant, thread_ids)
                else:
                    await _keep_latest(connection, tenant, thread_ids)
                    await connection.execute(_SQL["count_anew"], tenant, thread_ids)
        return len(rows), len(locked) == _THREADS_AT_ONCE


async def _keep_latest(connection: Connection, tenant: str, thread_ids: Sequence[str]) -> None:
    keys = ThreadKeys(tenant)
    for thread_id in thread_ids:
        await checkpoint_upkeep.keep_latest(connection, keys.stored(thread_id))


def _grouped(rows: Sequence[asyncpg.Record]) -> dict[tuple[str, str], list[str]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["tenant"], row["ttl_strategy"]].append(row["thread_id"])
    return groups
