"""Projects with an `auth` of their own."""

from __future__ import annotations

import json
from pathlib import Path

CUSTOM = Path(__file__).with_name("custom_project.py").read_text()
UNRULY = Path(__file__).with_name("unruly_project.py").read_text()


def project(folder: Path, source: str = CUSTOM, **env: str) -> Path:
    """A langgraph.json whose `auth` is that of the source."""
    (folder / "own_auth.py").write_text(source)
    file = folder / "langgraph.json"
    file.write_text(json.dumps({"graphs": {}, "env": env, "auth": {"path": "./own_auth.py:auth"}}))
    return file
