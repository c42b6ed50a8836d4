"""The pool, when Postgres does not say that a cancelled statement has ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from runwire.core.postgres import Pool, connect
from runwire.embedded import Servers
from tests.harness.databases import proxied_database, system_settings
from tests.harness.waiting import until

_SLEEP = "SELECT pg_sleep(30)"


async def _asleep(pool: Pool) -> bool:
    """Whether the statement has got to Postgres."""
    return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query = $1)", _SLEEP))


async def _in_transaction(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SLEEP)


async def test_a_cancelled_statement_is_not_waited_for_when_postgres_is_silent(servers: Servers) -> None:
    async with (
        proxied_database(servers) as (uri, proxy),
        connect(system_settings(uri, servers.redis_uri), "test") as pool,
    ):
        sleeping = asyncio.create_task(pool.execute(_SLEEP))
        await until(lambda: _asleep(pool))
        proxy.losing = True
        sleeping.cancel()
        await asyncio.wait([sleeping], timeout=10)
        assert sleeping.cancelled()
        proxy.losing = False
        assert await pool.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_breaks_while_it_is_given_back_is_no_error(
    servers: Servers, database_uri: str, turns: int
) -> None:
    async with connect(system_settings(database_uri, servers.redis_uri), "test") as pool:
        connection = await pool.acquire()
        await connection.transaction().start()
        its_own = connection._con
        giving = asyncio.create_task(pool.release(connection))
        for _ in range(turns):
            await asyncio.sleep(0)
        its_own.terminate()
        await giving
        assert await pool.fetchval("SELECT 1") == 1


async def test_a_rollback_is_not_waited_for_longer_than_a_statement(servers: Servers) -> None:
    async with (
        proxied_database(servers) as (uri, proxy),
        connect(system_settings(uri, servers.redis_uri, statement_timeout=timedelta(seconds=0.5)), "test") as pool,
    ):
        proxy.losing = True
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await _in_transaction(pool)


async def test_a_transaction_whose_client_has_gone_without_a_word_is_ended(servers: Servers, pool: Pool) -> None:
    async def is_ended() -> bool:
        there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runwire-gone' AND state <> 'idle'"
        return not await pool.fetchval(there)

    async with (
        proxied_database(servers) as (uri, proxy),
        connect(system_settings(uri, servers.redis_uri, statement_timeout=timedelta(seconds=0.5)), "gone") as gone,
        gone.acquire() as connection,
    ):
        await connection.transaction().start()
        proxy.silence()
        assert not await is_ended()
        await until(is_ended)


async def test_a_process_ends_while_postgres_is_silent(servers: Servers) -> None:
    async with (
        proxied_database(servers) as (uri, proxy),
        asyncio.timeout(10),
        connect(system_settings(uri, servers.redis_uri), "test") as pool,
    ):
        assert await pool.fetchval("SELECT 1") == 1
        proxy.silence()
