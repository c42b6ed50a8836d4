"""A database that many histories share, one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database
from tests.model.life_driver import ASSISTANT


@pytest.fixture(scope="module")
async def life_database(servers: Servers) -> AsyncIterator[str]:
    """Its address; there is an assistant in it."""
    async with fresh_database(servers) as uri:
        connection = await asyncpg.connect(uri)
        await connection.execute(ASSISTANT)
        await connection.close()
        yield uri


@pytest.fixture(scope="module")
async def connection(life_database: str) -> AsyncIterator[Any]:
    """One connection in the place of a pool."""
    made = await asyncpg.connect(life_database)
    await made.execute("SET jit = off")
    yield made
    await made.close()
