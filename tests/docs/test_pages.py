"""The pages' snippets do what the pages say."""

from __future__ import annotations

import re
from functools import partial

import pytest

from runwire.client import client as clients
from tests.docs.conftest import GUIDE, ROOT, starts_servers
from tests.docs.snippets import Typist, snippets_of
from tests.harness.platform import Platform

_PORTS = {"7401": "resource", "7402": "dispatch", "7403": "stream"}


@pytest.fixture
def typist(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Types what the pages say to servers at other ports than the usual ones."""
    addresses = {name: platform.addresses[name] for name in _PORTS.values()}
    for connect in (clients.connect, clients.connect_sync):
        monkeypatch.setattr(connect, "__kwdefaults__", {**(connect.__kwdefaults__ or {}), **addresses})
    usual = re.compile(rf"127\.0\.0\.1:({'|'.join(_PORTS)})\b")
    return Typist(partial(usual.sub, lambda match: addresses[_PORTS[match[1]]]))


async def test_every_snippet_of_the_guide_prints_what_the_guide_says(typist: Typist) -> None:
    for snippet in snippets_of(GUIDE):
        if not starts_servers(snippet):
            assert snippet.language in ("python", "sh"), f"{snippet} can't be typed"
            await typist.type(snippet)


async def test_every_snippet_of_the_readme_prints_what_the_readme_says(typist: Typist) -> None:
    cases = re.findall(r"^  ([a-z |]+)\) ", (ROOT / "buildout.sh").read_text(), re.MULTILINE)
    verbs = {verb for case in cases for verb in case.split(" | ")}
    for snippet in snippets_of(ROOT / "README.md"):
        if snippet.code.startswith("./buildout.sh"):
            named = re.findall(r"^\./buildout\.sh (\w+)", snippet.code, re.MULTILINE)
            assert set(named) <= verbs, f"{snippet} has a verb that does not exist"
        elif snippet.language:  # others are drawings
            await typist.type(snippet)
