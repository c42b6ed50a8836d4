"""One stack, a worker process for each example project, and a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from runwire.client import Client, connect
from runwire.embedded import Servers
from tests.ecosystem.direct import NAMES, PROJECTS
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.workers import crew_of


@pytest.fixture(scope="module")
async def client(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client of the services, whose workers serve one project each, from its own langgraph.json."""
    async with AsyncExitStack() as stack:
        uri = await stack.enter_async_context(fresh_database(servers))
        settings = system_settings(
            uri, servers.redis_uri, heartbeat_interval=timedelta(seconds=2), lease=timedelta(seconds=20)
        )
        platform = await stack.enter_async_context(serving(settings))
        crews = [
            await stack.enter_async_context(
                crew_of(
                    settings.model_copy(update={"graphs": PROJECTS / name / "langgraph.json"}),
                    tmp_path_factory.mktemp(name),
                )
            )
            for name in NAMES
        ]
        await asyncio.gather(*(crew.of(1) for crew in crews))
        addresses = {part: platform.addresses[part] for part in ("resource", "dispatch", "stream")}
        yield await stack.enter_async_context(connect(**addresses))  # type: ignore[arg-type]
