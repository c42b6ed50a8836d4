"""Real Postgres and Redis: servers once a session, a database cloned from a migrated template for each test."""

from __future__ import annotations

import gc
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.embedded import Servers, running
from tests.harness.databases import fresh_database, make_template

_numbers = itertools.count(1)
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 * 1024**3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: a long last one would leave the other worker with nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What has been imported and collected stays; to look through it for garbage again and again takes long."""
    gc.collect()
    gc.freeze()


def _folder_for_servers() -> Path | None:
    """In memory where there is room: databases are copied and dropped by the hundred, which makes a disk stall."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    """A Postgres and a Redis of the session's own."""
    with tempfile.TemporaryDirectory(prefix="runwire-tests-", dir=_folder_for_servers()) as home:
        # Postgres may run under another account, and would move out of a folder that it can't enter.
        Path(home).chmod(0o711)
        async with running(Path(home), durable=False) as started:
            await make_template(started)
            yield started


@pytest.fixture
async def database_uri(servers: Servers) -> AsyncIterator[str]:
    """A migrated database that only this test uses."""
    async with fresh_database(servers) as uri:
        yield uri


@pytest.fixture
async def pool(database_uri: str) -> AsyncIterator[Pool]:
    """A pool on this test's database."""
    async with asyncpg.create_pool(database_uri, min_size=1, max_size=10) as made:
        yield made


@pytest.fixture
def settings(servers: Servers, database_uri: str) -> Settings:
    """Settings for this test's database and Redis keys, with free ports and short intervals."""
    return Settings(
        database_uri=database_uri,
        redis_uri=servers.redis_uri,
        redis_prefix=f"test{next(_numbers)}",
        resource_port=0,
        dispatch_port=0,
        stream_port=0,
        worker_port=0,
        executors=1,
        poll_interval=timedelta(seconds=0.5),
        heartbeat_interval=timedelta(seconds=0.3),
        lease=timedelta(seconds=2),
        sweep_interval=timedelta(seconds=0.3),
        cancel_grace=timedelta(seconds=2),
        drain_timeout=timedelta(seconds=2),
        shutdown_grace=timedelta(seconds=1),
        retry_delay=timedelta(seconds=0.05),
        event_flush_interval=timedelta(seconds=0.1),
    )


@pytest.fixture
async def bus(settings: Settings) -> AsyncIterator[Bus]:
    """The bus with this test's Redis keys."""
    async with Bus(settings) as made:
        yield made
