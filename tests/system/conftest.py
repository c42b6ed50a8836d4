"""A platform for the whole session, in two forms: in this process, and as real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform
from tests.harness.processes import processes


@pytest.fixture(scope="session")
async def platform_in_process(servers: Servers) -> AsyncIterator[Platform]:
    """Everything in this process, on a database of its own."""
    async with fresh_database(servers) as uri:
        # Its heart does not beat while pytest is busy with a report.
        settings = system_settings(uri, servers.redis_uri, lease=timedelta(minutes=2))
        async with in_process(settings) as made:
            yield made


@pytest.fixture(scope="session")
async def platform_processes(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Everything as real processes, on a database of its own."""
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri)
        async with processes(settings, tmp_path_factory.mktemp("processes")) as made:
            yield made


# One fixture with both would end the one to begin the other in each file.
@pytest.fixture(params=["in_process", "processes"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """Everything, in its two forms."""
    found: Platform = request.getfixturevalue(f"platform_{request.param}")
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A file in which nodes note that they began."""
    file = tmp_path / "journal"
    file.touch()
    return file
