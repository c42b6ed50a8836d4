"""Postgres operations that ride out a short outage: they are tried again after transient errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg

from runwire.core.postgres import Pool, is_transient, persistently
from runwire.worker.fence import StorageUnavailable

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Work: TypeAlias = Callable[[Connection], Awaitable[T]]


class RetryingPool:
    """A pool whose operations are tried again, with growing pauses, for `retry_for` seconds.

    So they must be idempotent.
    """

    def __init__(self, pool: Pool, *, retry_for: float = 20.0, acquire_timeout: float = 10.0) -> None:
        self._pool = pool
        self._retry_for = retry_for
        self._acquire_timeout = acquire_timeout

    async def run(self, work: Work[T]) -> T:
        """Do `work` on a connection of the pool. Raises StorageUnavailable when it can't be had in time."""
        try:
            return await persistently(self._retry_for, self._attempt, work)
        except Exception as error:
            if is_transient(error):
                raise StorageUnavailable(str(error)) from error
            raise

    async def transaction(self, work: Work[T]) -> T:
        """Do `work` in a transaction of its own."""

        async def inside(connection: Connection) -> T:
            async with connection.transaction():
                return await work(connection)

        return await self.run(inside)

    async def rows(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        return await self.run(lambda connection: connection.fetch(statement, *values))

    async def row(self, statement: str, *values: Any) -> asyncpg.Record | None:
        return await self.run(lambda connection: connection.fetchrow(statement, *values))

    async def value(self, statement: str, *values: Any) -> Any:
        return await self.run(lambda connection: connection.fetchval(statement, *values))

    async def _attempt(self, work: Work[T]) -> T:
        try:
            connection = await self._acquire()
            try:
                return await work(connection)
            finally:
                await self._pool.release(connection)
        except asyncpg.InternalClientError as error:
            # What asyncpg says when the server's last words reach a connection that is just being handed out.
            if "another operation" not in str(error):
                raise
            raise asyncpg.ConnectionDoesNotExistError("the connection broke as it was taken") from error

    async def _acquire(self) -> Connection:
        # The pool's own time-out would start a task for each connection taken.
        async with asyncio.timeout(self._acquire_timeout):
            return await self._pool.acquire()
