"""All tables in one, and what no table has to have."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from tests.contract.scenarios import assistants, crons, graphs, runs, store, streams, thread_state, threads, workers
from tests.contract.scenarios.scenario import Errors, Listings, Successes

_SERVICES: tuple[ModuleType, ...] = (assistants, graphs, threads, store, runs, thread_state, crons, workers, streams)

ACCESS_CONTROL = frozenset(
    ("UNAUTHENTICATED", "PERMISSION_DENIED", "AUTHENTICATION_UNAVAILABLE", "STREAM_EXPIRED", "QUOTA_EXCEEDED")
)
"""Reasons of every RPC that the tests of access control provoke, caller by caller."""


def _joined(table: str) -> Mapping[Any, Any]:
    return {key: scenario for service in _SERVICES for key, scenario in getattr(service, table).items()}


SUCCESSES: Successes = _joined("SUCCESSES")
ERRORS: Errors = _joined("ERRORS")
LISTINGS: Listings = _joined("LISTINGS")
PAGE_TOKENS = frozenset(("INVALID_PAGE_TOKEN", "PAGE_TOKEN_MISMATCH"))
"""What every list refuses, see tests/contract/test_pages.py."""
