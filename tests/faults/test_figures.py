"""What processes have in hand is told as it is at rest."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.faults import figures


def looks(monkeypatch: pytest.MonkeyPatch, *told: Any) -> Any:
    """A rig whose process says these, one look after another, and the last one again and again.

    Each is its pid and how many connections are at work.
    """
    remaining = itertools.chain(told, itertools.repeat(told[-1]))

    async def measure(_: Any) -> dict[str, figures.Figures]:
        look = next(remaining)
        if look is None:
            raise figures.Unanswered("it does not run")
        return {"dispatch-1": {"pid": look[0], "age": 1, "megabytes": 1, "postgres in use": look[1]}}

    monkeypatch.setattr(figures, "measure", measure)
    monkeypatch.setattr(figures, "_PAUSE_SECONDS", 0.01)
    return SimpleNamespace()


async def test_what_is_at_work_for_a_moment_is_not_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = looks(monkeypatch, (1, 2), (1, 2), (1, 2), (1, 0), (1, 1))
    assert (await figures.settled(rig))["dispatch-1"]["postgres in use"] == 0


async def test_what_is_left_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = looks(monkeypatch, (1, 5), (1, 4), (1, 4), (1, 4))
    assert (await figures.settled(rig))["dispatch-1"]["postgres in use"] == 4


async def test_a_process_is_measured_by_itself_and_not_by_the_one_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = looks(monkeypatch, (1, 0), (2, 3), (2, 3), (2, 3))
    assert (await figures.settled(rig))["dispatch-1"] == {"pid": 2, "age": 1, "megabytes": 1, "postgres in use": 3}


async def test_a_process_that_comes_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = looks(monkeypatch, (1, 0), None, (2, 0), (2, 0), (2, 0))
    assert (await figures.settled(rig))["dispatch-1"]["pid"] == 2


async def test_a_process_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_SETTLED_SECONDS", -1)
    with pytest.raises(figures.Unanswered):
        await figures.settled(looks(monkeypatch, None))


async def test_a_process_that_has_yet_to_begin_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    inside = Path(figures.__file__).with_name("inside")
    environment = {**os.environ, "PYTHONPATH": str(inside), "FAULTS_FIGURES": str(tmp_path / "figures")}
    rig: Any = SimpleNamespace(folder=tmp_path)
    member: Any = SimpleNamespace(name="worker-1")
    code = "import time; time.sleep(60)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=environment)
    try:
        with pytest.raises(figures.Unanswered, match="has yet to begin"):
            await figures._of_process(rig, member, psutil.Process(process.pid))
    finally:
        process.kill()
        await process.wait()
