"""The connection pool, which failures are worth another try, and the schema's migrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar

import asyncpg
from asyncpg_trek import Direction, execute, plan
from asyncpg_trek.asyncpg import AsyncpgBackend
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_random_exponential

from runwire.core.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_MIGRATIONS = Path(__file__).parent / "migrations"
_LATEST_REVISION = "crons"
_REVISION = "SELECT to_revision FROM public.migrations ORDER BY id DESC LIMIT 1"
_RELEASE_SECONDS = 1.0
_MIGRATION_LOCK = 0x72756E77697265

_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    # What asyncpg says of a pooled connection whose server process was ended while it was idle.
    asyncpg.InternalClientError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    OSError,
    TimeoutError,
)


class SchemaError(ValueError):
    """The database's schema is not one that this version can work with."""


def is_transient(error: BaseException) -> bool:
    """Whether the same statement may succeed a moment later: the connection broke, or the server restarts."""
    if isinstance(error, _TRANSIENT):
        return True
    # asyncpg says so when a pooled connection was closed under an operation.
    return isinstance(error, asyncpg.InterfaceError) and "connection" in str(error) and "clos" in str(error)


def retrying(limit: float) -> AsyncRetrying:
    """Tries again after transient failures, for at most `limit` seconds. Only for what may safely happen twice."""
    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        stop=stop_after_delay(limit),
        reraise=True,
    )


async def persistently(limit: float, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Does `work`, which may safely happen twice, again after transient failures, for at most `limit` seconds."""
    try:
        return await work(*args, **kwargs)
    except Exception as error:
        if not is_transient(error):
            raise
    # Setting up the retries costs as much as a statement, so it is left for when they are needed.
    return await retrying(limit).wraps(work)(*args, **kwargs)


class _PromptPool(asyncpg.Pool):  # type: ignore[misc]
    """Gives up a connection whose cancelled statement does not end, and at its own end all that do not answer.

    Whoever gives a connection back waits for that, and a Postgres that has gone silent would have them wait for ever:
    past the call's deadline, or past the turn of a loop.
    """

    async def close(self) -> None:
        """Takes leave of Postgres, if it listens."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                await super().close()

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:
        """Gives a connection back, or closes it. That it can't be had again is not told."""
        giving = asyncio.ensure_future(
            super().release(connection, timeout=_RELEASE_SECONDS if timeout is None else timeout)
        )
        # Whoever is cancelled here does not hear of what becomes of it, and need not.
        giving.add_done_callback(lambda done: done.cancelled() or done.exception())
        # One that breaks meanwhile, or was broken, is replaced: what was done with it is done.
        with suppress(*_TRANSIENT):
            await asyncio.shield(giving)


@asynccontextmanager
async def connect(
    settings: Settings, process: str, *, size: int | None = None, generic_plans: bool = False
) -> AsyncIterator[Pool]:
    """The process's pool. Raises whatever asyncpg raises when Postgres can't be had, and SchemaError when its schema is
    older than this version.

    `generic_plans` is for processes whose statements are all look-ups by key: planning one anew takes longer than
    executing it.
    """
    plans = {"plan_cache_mode": "force_generic_plan"} if generic_plans else {}
    # A client that has gone without a word in the middle of a transaction would keep its locks until TCP finds out.
    silence = f"{settings.statement_timeout / timedelta(milliseconds=1):.0f}ms"
    pool = _PromptPool(
        settings.database_uri,
        min_size=1,
        max_size=size or settings.postgres_pool,
        timeout=settings.postgres_timeout.total_seconds(),
        command_timeout=settings.statement_timeout.total_seconds(),
        max_queries=50_000,
        max_inactive_connection_lifetime=300,
        reset=_keep_session,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        server_settings={
            "application_name": f"runwire-{process}",
            "jit": "off",
            "idle_in_transaction_session_timeout": silence,
            **plans,
        },
    )
    async with pool:
        await _refuse_older_schema(pool)
        yield pool


async def _refuse_older_schema(pool: Pool) -> None:
    """A revision that is not known is a newer version's, beside which this one goes on while that is rolled out."""
    try:
        # The table is there before the first migration is done.
        revision = await pool.fetchval(_REVISION) or "initial"
    except asyncpg.UndefinedTableError:
        revision = "initial"
    older = {file.stem.partition("_")[2].partition("_up_")[0] for file in _MIGRATIONS.glob("*.sql")}
    if revision in older:
        raise SchemaError(
            f'its schema is at revision "{revision}", which is older than this version; run `runwire migrate`.'
        )


async def _keep_session(_: object) -> None:
    """Nothing here leaves anything in a session, so the round trip that would tidy it up is saved."""


async def migrate(database_uri: str) -> None:
    """Brings the schema to the latest revision; callers at the same time wait for one another.

    SchemaError when it is at a revision that is not in the chain: a newer version's, or one that was never released.
    """
    connection = await asyncpg.connect(database_uri)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        backend = AsyncpgBackend(connection)
        try:
            steps = await plan(backend, _MIGRATIONS, _LATEST_REVISION, Direction.up)
        except LookupError as error:
            revision = await connection.fetchval(_REVISION)
            raise SchemaError(
                f'it is at revision "{revision}", which this version of Runwire does not know; use the version that'
                " made it, or an empty database."
            ) from error
        await execute(backend, steps)
    finally:
        async with asyncio.timeout(5):
            await connection.close()


async def answers(pool: Pool) -> bool:
    """Whether Postgres answers now."""
    try:
        return bool(await pool.fetchval("SELECT true", timeout=1.5))
    except Exception as error:
        if is_transient(error):
            return False
        raise
