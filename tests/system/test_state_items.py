"""Items that graphs put into the store live as long as the langgraph.json says."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process


async def test_an_item_of_a_graph_has_the_default_time_to_live(servers: Servers, tmp_path: Path) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text(json.dumps({"graphs": {}, "store": {"ttl": {"default_ttl": 90}}}))
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri, graphs=file, lease=timedelta(minutes=2))
        async with in_process(settings) as platform:
            await platform.run("memory", {"text": "a"})
            assert await platform.pool.fetchval("SELECT ttl_minutes FROM store WHERE prefix = 'texts'") == 90
