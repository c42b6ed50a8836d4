"""What a langgraph.json says of access. What it asks for is never passed over in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from runwire.core.access import AccessError
from runwire.core.settings import Settings


def check_project(settings: Settings) -> None:
    """An `auth` that nobody asks would let everybody in whom it would keep out. Raises AccessError."""
    path = _auth_path(settings.graphs)
    if path and not settings.ignore_project_auth:
        raise AccessError(
            f"{settings.graphs} has an auth ({path}), which Runwire does not ask: set authentication up by"
            " docs/access.md, and RUNWIRE_IGNORE_PROJECT_AUTH=true to say so."
        )


def _auth_path(file: Path) -> str:
    """The path of `auth`, or "" where there is none. A file that is not valid is a matter for whoever needs it."""
    try:
        content: Any = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return ""
    auth = content.get("auth") if isinstance(content, dict) else None
    if not auth:
        return ""
    return str(auth.get("path") or "no path") if isinstance(auth, dict) else "no path"
