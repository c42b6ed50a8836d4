"""Databases of their own, and settings for them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from runwire.core.postgres import Pool, migrate
from runwire.core.settings import Settings
from runwire.embedded import Servers
from tests.harness.in_process import PROJECT
from tests.harness.proxy import Proxy, proxy_of

_numbers = itertools.count(1)
_TEMPLATE = "runwire_template"


async def make_template(servers: Servers) -> None:
    """Makes the migrated, empty database of which each test gets a copy."""
    admin = await asyncpg.connect(servers.database_uri)
    try:
        await admin.execute(f"CREATE DATABASE {_TEMPLATE}")
    finally:
        await admin.close()
    await migrate(_uri(servers, _TEMPLATE))


@asynccontextmanager
async def fresh_database(servers: Servers) -> AsyncIterator[str]:
    """A migrated database; it is dropped at the end."""
    async with _database(servers, f"TEMPLATE {_TEMPLATE} STRATEGY FILE_COPY") as uri:
        yield uri


@asynccontextmanager
async def empty_database(servers: Servers) -> AsyncIterator[str]:
    """A database without a schema; it is dropped at the end."""
    async with _database(servers, "") as uri:
        yield uri


@asynccontextmanager
async def _database(servers: Servers, how: str) -> AsyncIterator[str]:
    name = f"runwire_test_{next(_numbers)}"
    admin = await asyncpg.connect(servers.database_uri)
    try:
        await admin.execute(f"CREATE DATABASE {name} {how}")
        yield _uri(servers, name)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def held_up(pool: Pool) -> int:
    """How many statements in the pool's database wait for a lock."""
    return int(
        await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
    )


def _uri(servers: Servers, database: str) -> str:
    return urlunsplit(urlsplit(servers.database_uri)._replace(path=f"/{database}"))


@asynccontextmanager
async def proxied_database(servers: Servers) -> AsyncIterator[tuple[str, Proxy]]:
    """A migrated database, and the proxy that its address is of."""
    async with fresh_database(servers) as uri:
        parts = urlsplit(uri)
        async with proxy_of(f"{parts.hostname}:{parts.port}") as proxy:
            account, at, _ = parts.netloc.rpartition("@")
            yield urlunsplit(parts._replace(netloc=f"{account}{at}{proxy.address}")), proxy
            proxy.refusing = proxy.losing = False


def system_settings(database_uri: str, redis_uri: str, **changes: Any) -> Settings:
    """Settings with short intervals, free ports, Redis keys of their own and the tests' graphs."""
    fields: dict[str, Any] = {
        "database_uri": database_uri,
        "redis_uri": redis_uri,
        "redis_prefix": f"system{next(_numbers)}",
        "resource_port": 0,
        "dispatch_port": 0,
        "stream_port": 0,
        "worker_port": 0,
        "graphs": PROJECT,
        "executors": 1,
        "poll_interval": timedelta(seconds=0.5),
        "heartbeat_interval": timedelta(seconds=0.3),
        "lease": timedelta(seconds=2),
        "sweep_interval": timedelta(seconds=0.3),
        "cancel_grace": timedelta(seconds=1.5),
        "drain_timeout": timedelta(seconds=2),
        "shutdown_grace": timedelta(seconds=1),
        "retry_delay": timedelta(seconds=0.05),
        "event_flush_interval": timedelta(seconds=0.1),
        "log_level": "WARNING",
    }
    return Settings(**{**fields, **changes})
