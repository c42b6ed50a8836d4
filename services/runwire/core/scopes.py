"""Scopes: what a caller may do. Each method needs exactly one, `<area>:read` or `<area>:write`, told by its name.

A grant is a scope, or a pattern that covers several: `runs:*`, `*:read`, `*`. Writing does not include reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

EVERYTHING = "*"
RUNS_WRITE = "runs:write"
THREADS_WRITE = "threads:write"

AREAS = {
    "AssistantsService": "assistants",
    "ThreadsService": "threads",
    "ThreadStateService": "threads",
    "RunsService": "runs",
    "StreamService": "runs",
    "CronsService": "crons",
    "StoreService": "store",
    "WorkersService": "workers",
}
"""The area of each service."""

ACTIONS = ("read", "write")

_READING = ("Get", "List", "Count", "Search", "Stream", "Wait")
_GRANTS = frozenset(f"{area}:{action}" for area in (*AREAS.values(), "*") for action in (*ACTIONS, "*"))


@lru_cache(maxsize=256)
def scope_of(method: str) -> str:
    """The scope that a method needs, by its path (`/package.Service/Method`).

    A service that is not in the table has an area that no grant but `*` and `*:…` covers.
    """
    service, _, name = method.rpartition("/")
    area = AREAS.get(service.rpartition(".")[2], "unknown")
    return f"{area}:{'read' if name.startswith(_READING) else 'write'}"


def covers(granted: Iterable[str], scope: str) -> bool:
    """Whether one of the grants covers the scope."""
    area, _, action = scope.partition(":")
    return not {scope, f"{area}:*", f"*:{action}", "*:*", EVERYTHING}.isdisjoint(granted)


def is_grant(text: str) -> bool:
    """Whether the text is a scope or a pattern of scopes."""
    return text == EVERYTHING or text in _GRANTS
