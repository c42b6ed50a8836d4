"""What a worker reads of a langgraph.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwire.core.project import Project


def read(folder: Path, **parts: Any) -> Project:
    file = folder / "langgraph.json"
    file.write_text(json.dumps({"graphs": {"agent": "./agent.py:graph"}, **parts}))
    return Project.read(file)


def test_an_index_that_is_not_served_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, store={"index": {"dims": 3, "embed": "openai:text-embedding-3-small"}})
    assert "store.index" in caplog.text


@pytest.mark.parametrize("store", [None, {}, {"ttl": {"default_ttl": 5}}])
def test_a_project_without_an_index_is_read_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, store: Any
) -> None:
    assert read(tmp_path, store=store).graphs == {"agent": "./agent.py:graph"}
    assert caplog.text == ""
