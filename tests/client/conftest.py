"""A platform with a worker for the session, and clients of it."""

from __future__ import annotations

import os

# langgraph reads it when it is first imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import TypedDict

import pytest

from runwire.client import Client, SyncClient, connect, connect_sync
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform


@pytest.fixture(scope="module")
async def platform(servers: Servers) -> AsyncIterator[Platform]:
    """All of it, in the tests' event loop."""
    async with fresh_database(servers) as uri:
        # Its heart does not beat while pytest is busy with a report.
        settings = system_settings(uri, servers.redis_uri, lease=timedelta(minutes=2))
        async with in_process(settings) as made:
            yield made


LONG = {"tokens": 600, "delay": 0.1}
"""What makes the graph `tokens` run for a minute; in another mode than "custom" it is silent meanwhile."""


class Addresses(TypedDict):
    """Arguments of `connect`."""

    resource: str
    dispatch: str
    stream: str


def three(platform: Platform) -> Addresses:
    """Where the services are."""
    found = platform.addresses
    return {"resource": found["resource"], "dispatch": found["dispatch"], "stream": found["stream"]}


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[Client]:
    """An asyncio client."""
    async with connect(**three(platform)) as made:
        yield made


@pytest.fixture
def sync_client(platform: Platform) -> Iterator[SyncClient]:
    """A synchronous client. The servers live in the tests' loop, so it is to be used from another thread."""
    with connect_sync(**three(platform)) as made:
        yield made
