"""One platform that two tenants share, each with a key of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest

from runwire.core.access.api_keys import add_line, new_key
from runwire.core.postgres import Pool
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform, connected


@dataclass(frozen=True, slots=True)
class Tenants:
    """The platform as each tenant sees it. `pool` looks behind the scenes."""

    a: Platform
    b: Platform
    pool: Pool


@pytest.fixture(scope="module")
async def tenants(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tenants]:
    """Services and a worker in this process."""
    file = tmp_path_factory.mktemp("tenants") / "keys.jsonl"
    keys = []
    for tenant in ("a", "b"):
        key, line = new_key(tenant, "test", ["*"], None)
        add_line(file, line)
        keys.append(key)
    async with fresh_database(servers) as uri, AsyncExitStack() as stack:
        settings = system_settings(uri, servers.redis_uri, api_keys_file=str(file), lease=timedelta(minutes=2))
        platform = await stack.enter_async_context(in_process(settings))
        seen = [
            await stack.enter_async_context(connected(settings, platform.pool, platform.addresses, key)) for key in keys
        ]
        yield Tenants(seen[0], seen[1], platform.pool)
