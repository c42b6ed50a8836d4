"""The saver's upkeep: copying, pruning and removing checkpoints under the fence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from runwire.core import checkpoint_upkeep
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.sql import load
from runwire.worker.checkpoint_pool import Connection, RetryingPool
from runwire.worker.fence import Fence, StaleClaim

SQL = load(__file__)


class CheckpointUpkeep:
    """One tenant's upkeep; each operation is a transaction under the fence, where there is one."""

    def __init__(self, pool: RetryingPool, keys: ThreadKeys, fence: Fence | None = None) -> None:
        self._pool = pool
        self._keys = keys
        self._fence = fence

    async def delete_threads(self, thread_ids: Sequence[str]) -> None:
        """Remove all that is stored of the threads."""
        if thread_ids:
            stored = [self._keys.stored(thread_id) for thread_id in thread_ids]
            await self._fenced(lambda connection: checkpoint_upkeep.delete_threads(connection, stored))

    async def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy every checkpoint with its blobs and writes."""
        source, target = self._keys.stored(source_thread_id), self._keys.stored(target_thread_id)
        await self._fenced(lambda connection: checkpoint_upkeep.copy_thread(connection, source, target))

    async def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints that the runs made, where no other needs them."""
        if run_ids:
            texts = [str(run_id) for run_id in run_ids]
            await self._fenced(lambda connection: checkpoint_upkeep.delete_runs(connection, texts, self._keys.tenant))

    async def prune(self, thread_ids: Sequence[str], strategy: str) -> None:
        """`keep_latest` or `delete`, thread by thread."""
        if isinstance(thread_ids, str):
            raise TypeError("thread_ids is a sequence of thread ids, not one of them")
        if strategy == "delete":
            await self.delete_threads(thread_ids)
        elif strategy == "keep_latest":
            for thread_id in thread_ids:
                await self._keep_latest(self._keys.stored(thread_id))
        else:
            raise ValueError(f"unknown prune strategy {strategy!r}: keep_latest or delete")

    async def _keep_latest(self, thread: str) -> None:
        await self._fenced(lambda connection: checkpoint_upkeep.keep_latest(connection, thread))

    async def _fenced(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        async def guarded(connection: Connection) -> None:
            await self._hold_claim(connection)
            await work(connection)

        await self._pool.transaction(guarded)

    async def _hold_claim(self, connection: Connection) -> None:
        fence = self._fence
        if fence and not await connection.fetchval(SQL["hold_claim"], fence.tenant, fence.run_id, fence.claim):
            raise StaleClaim(fence)
