"""A run from its creation to its end, by a caller with a key, over TLS, for a tenant of its own."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runwire.client import connect, events
from runwire.client.errors import NotFound
from runwire.embedded import Servers
from tests.access.authorities import Authority
from tests.access.conftest import keys_file
from tests.client.conftest import three
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process


async def test_a_tenant_runs_a_graph_and_another_one_does_not_see_it(servers: Servers, tmp_path: Path) -> None:
    authority = Authority.new(tmp_path / "authority")
    acme, other = (
        keys_file(tmp_path / "keys.jsonl", {"key": ["*"]}, tenant=tenant)["key"] for tenant in ("acme", "other")
    )
    async with fresh_database(servers) as uri:
        settings = system_settings(
            uri,
            servers.redis_uri,
            lease=timedelta(minutes=2),
            api_keys_file=str(tmp_path / "keys.jsonl"),
            **authority.server(),
        )
        async with in_process(settings) as platform:
            credentials = authority.credentials()
            async with (
                connect(**three(platform), api_key=acme, credentials=credentials) as mine,
                connect(**three(platform), api_key=other, credentials=credentials) as theirs,
            ):
                run = await mine.runs.create("t", "tokens", input={"tokens": 2}, if_not_exists="create")
                seen = [type(event) async for event in mine.runs.join_stream(run.run_id)]
                assert (seen[0], seen[-1]) == (events.Started, events.Finished)
                assert (await mine.runs.get(run.run_id)).status == "success"
                assert [thread.thread_id async for thread in mine.threads.search()] == ["t"]
                assert await theirs.threads.count() == 0
                for look in (theirs.runs.get(run.run_id), theirs.threads.get("t"), theirs.runs.join(run.run_id)):
                    with pytest.raises(NotFound):
                        await look
                with pytest.raises(NotFound):
                    await anext(theirs.runs.join_stream(run.run_id))
