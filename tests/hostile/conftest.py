"""Four real processes whose imports and programs are written down, and what looks at them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from runwire.cli import stack
from runwire.cli.stack import Stack
from runwire.core.settings import Settings
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.platform import Platform, connected
from tests.hostile.aftermath import Rows
from tests.hostile.calls import Caller

_WITNESS = Path(__file__).with_name("witness")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the processes' logs."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def witness(logs: Path) -> Path:
    """The file in which processes note what they import and start."""
    return logs / "witness"


@pytest.fixture(scope="module")
async def settings_of_processes(servers: Servers) -> AsyncIterator[Settings]:
    """On a database of their own."""
    async with fresh_database(servers) as uri:
        yield system_settings(uri, servers.redis_uri, lease=timedelta(seconds=30))


@pytest.fixture(scope="module")
async def processes(settings_of_processes: Settings, logs: Path, witness: Path) -> AsyncIterator[Stack]:
    """The four processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNWIRE_TEST_WITNESS", str(witness))
        patch.setenv("PYTHONPATH", os.pathsep.join([str(_WITNESS), os.environ.get("PYTHONPATH", "")]))
        async with stack.running(settings_of_processes, log_dir=logs) as started:
            yield started


@pytest.fixture(scope="module")
async def platform(processes: Stack, settings_of_processes: Settings) -> AsyncIterator[Platform]:
    """Their stubs."""
    addresses = {name: processes.address(name) for name in ("resource", "dispatch", "stream", "worker")}
    async with (
        asyncpg.create_pool(settings_of_processes.database_uri, min_size=1, max_size=4) as pool,
        connected(settings_of_processes, pool, addresses) as made,
    ):
        yield made


@pytest.fixture
def caller(processes: Stack) -> Iterator[Caller]:
    """Channels to them for any bytes."""
    made = Caller({name: processes.address(name) for name in ("resource", "dispatch", "stream")})
    yield made
    made.close()


@pytest.fixture
def rows(settings_of_processes: Settings) -> Iterator[Rows]:
    """What is in Postgres."""
    made = Rows(settings_of_processes.database_uri)
    yield made
    made.close()
