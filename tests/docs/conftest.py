"""What the pages ask their readers to start."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runwire.embedded import Servers
from tests.docs.snippets import Snippet, snippets_of
from tests.harness.databases import fresh_database, system_settings
from tests.harness.platform import Platform
from tests.harness.processes import processes

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide.md"
_START = "./buildout.sh up"


def starts_servers(snippet: Snippet) -> bool:
    """Whether it is the command that the other snippets need to have been given."""
    return snippet.code.rstrip().endswith(_START)


@pytest.fixture(scope="module")
async def platform(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Four processes with the example graphs, and with the variables that the guide's first command sets."""
    (command,) = filter(starts_servers, snippets_of(GUIDE))
    words = shlex.split(command.code.replace("\\\n", ""))
    variables = dict(word.split("=", 1) for word in words if "=" in word)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        async with fresh_database(servers) as uri:
            settings = system_settings(uri, servers.redis_uri, graphs=ROOT / "examples" / "langgraph.json")
            async with processes(settings, tmp_path_factory.mktemp("processes")) as made:
                yield made
