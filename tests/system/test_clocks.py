"""Clocks that are wrong: what decides anything is the database's."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import output, status
from tests.harness.workers import crew_of

# Python imports this module by itself when it starts.
_AN_HOUR_BEHIND = """
from datetime import datetime, timedelta, timezone

import time_machine

time_machine.travel(datetime.now(timezone.utc) - timedelta(hours=1), tick=True).start()
"""


async def test_a_worker_whose_clock_is_behind_keeps_its_lease(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_AN_HOUR_BEHIND)
    journal = tmp_path / "journal"
    journal.touch()
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri)
        async with serving(settings) as platform, crew_of(settings, tmp_path) as crew:
            monkeypatch.setenv("PYTHONPATH", str(tmp_path))
            [worker] = await crew.of(1)
            # Longer than the lease.
            done = await platform.run("steps", {"count": 0, "delay": 0.5, "journal": str(journal)})
            assert (status(done), done.run.attempts, output(done)["count"]) == ("success", 1, 6)
            [alive] = await platform.pool.fetch("SELECT worker_id, started_at <= now() AS has_begun FROM workers")
            assert tuple(alive) == (worker.worker_id, True)
