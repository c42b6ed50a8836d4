"""Where a command's stack keeps its data: the servers, started or given, on a migrated database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from runwire import embedded
from runwire.cli.errors import StackError
from runwire.core.postgres import migrate
from runwire.core.settings import Settings


@asynccontextmanager
async def served(settings: Settings, state_dir: Path) -> AsyncIterator[Settings]:
    """The settings with a migrated Postgres and a Redis, which are embedded in `state_dir` where none are given."""
    async with embedded.running(
        state_dir, database_uri=settings.database_uri or None, redis_uri=settings.redis_uri or None
    ) as servers:
        await bring_schema_up(servers.database_uri)
        yield settings.model_copy(update={"database_uri": servers.database_uri, "redis_uri": servers.redis_uri})


async def bring_schema_up(database_uri: str) -> None:
    """Migrates; StackError when the database can't be worked with."""
    try:
        await migrate(database_uri)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(f"The database in DATABASE_URI can't be brought to the latest schema: {error}") from error
