"""A platform in this process for the contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform


@pytest.fixture(scope="module")
async def contract(servers: Servers) -> AsyncIterator[Platform]:
    """Everything, on a database of its own."""
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri, lease=timedelta(minutes=2), webhook_private_addresses=True)
        async with in_process(settings) as made:
            yield made
