"""Runs without a thread leave nothing behind but their row, however they end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.harness.platform import Platform, status
from tests.harness.waiting import until


@pytest.mark.parametrize(
    ("graph", "value", "end"),
    [
        ("steps", {}, "success"),
        ("nested", {"text": "a"}, "success"),
        ("failing", {}, "error"),
        ("gate", {}, "interrupted"),
    ],
)
async def test_a_run_without_a_thread_leaves_only_its_row(platform: Platform, graph: str, value: Any, end: str) -> None:
    done = await platform.run(graph, value)
    assert status(done) == end
    assert await left_behind(platform, done.run.run_id) == 0


async def test_a_cancelled_run_without_a_thread_leaves_only_its_row(platform: Platform) -> None:
    run = await platform.create("slow", {}, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    assert await until(lambda: left_behind(platform, run.run_id))
    await platform.cancel(run.run_id)
    assert status(await platform.finish(run.run_id)) == "cancelled"
    assert await left_behind(platform, run.run_id) == 0


async def left_behind(platform: Platform, run_id: str) -> int:
    """How many rows of threads and checkpoints there are of a run that has no thread."""
    tables = ("threads", "checkpoints", "checkpoint_blobs", "checkpoint_writes")
    counts = " + ".join(f"(SELECT count(*) FROM {table} WHERE thread_id = $1)" for table in tables)
    count: int = await platform.pool.fetchval(f"SELECT {counts}", run_id)
    return count
