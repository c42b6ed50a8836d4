"""Scenarios: one question each, asked often enough to answer it. `./buildout.sh faults --scenario NAME` runs one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.scenarios import joins, redis_away, stale_writes, stalled_reader
from tests.faults.scenarios.result import Result

ALL: Mapping[str, Callable[[int, Path], Coroutine[Any, Any, Result]]] = {
    "joins": joins.run,
    "stale-writes": stale_writes.run,
    # Enough to find a fence that is gone.
    "stale-writes-once": partial(stale_writes.run, tries=1),
    "stalled-reader": stalled_reader.run,
    "redis-away": redis_away.run,
}
"""Each by its name; called with a seed and a folder for what it leaves."""
