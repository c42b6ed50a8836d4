"""What a langgraph.json says of access. What it asks for is never passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runwire.core.access import AccessError
from runwire.core.settings import Settings

# Of the documentation, of Studio, and of how often the handler is asked, which is at each call here.
_WITHOUT_EFFECT = {"openapi", "disable_studio_auth", "cache"}


def check_project(settings: Settings) -> None:
    """An `auth` that nobody asks would let everybody in whom it would keep out. Raises AccessError."""
    if settings.custom_auth:
        _check_auth(settings.graphs, _auth(settings.graphs))
    elif not settings.ignore_project_auth and _auth(settings.graphs):
        raise AccessError(
            f"{settings.graphs} has an auth: set RUNWIRE_CUSTOM_AUTH=true to have it asked, or set authentication of"
            " another kind up and RUNWIRE_IGNORE_PROJECT_AUTH=true. See docs/access.md."
        )


def _check_auth(file: Path, auth: Any) -> None:
    if not isinstance(auth, dict) or not isinstance(auth.get("path"), str):
        raise AccessError(f"RUNWIRE_CUSTOM_AUTH needs an auth with a path in {file}, and there is none.")
    others = sorted(set(auth) - {"path"} - _WITHOUT_EFFECT)
    if others:
        raise AccessError(f"{file}: auth.{', auth.'.join(others)} can't be honoured.")


def _auth(file: Path) -> Any:
    """The `auth`, or None; without the file there is none. AccessError when it can't be told."""
    try:
        # By the parser of those who use it: what another one refuses, they may take.
        content: Any = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise AccessError(f"{file} can't be read, so that it may have an auth that nobody asks: {error}.") from error
    return (content.get("auth") or None) if isinstance(content, dict) else None
