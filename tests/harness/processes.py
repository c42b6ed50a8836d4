"""The four processes, as `runwire up` starts them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from runwire.core.settings import Settings
from tests.harness.platform import Platform, connected


@asynccontextmanager
async def processes(settings: Settings, folder: Path) -> AsyncIterator[Platform]:
    """Four processes that answer, with their logs in `folder`."""
    from runwire.cli import stack

    async with (
        stack.running(settings, log_dir=folder) as started,
        asyncpg.create_pool(settings.database_uri, min_size=1, max_size=4) as pool,
    ):
        addresses = {name: started.address(name) for name in ("resource", "dispatch", "stream", "worker")}
        async with connected(settings, pool, addresses) as platform:
            yield platform
