"""Faults are counted when they hit something, leave one another's victims alone, and wait for nobody for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults import faults
from tests.faults.faults import Breaker, Fault, Scene, Skipped
from tests.faults.history import History, read
from tests.faults.proxy import Link


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "history.jsonl")
    yield made
    made.close()


def scene_of(history: History, **rig: Any) -> Scene:
    """A fault's view of a rig that has just this."""
    return Scene(SimpleNamespace(**rig), random.Random(1), history)  # type: ignore[arg-type]


async def broken(kinds: Mapping[str, Fault], history: History, monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """What came of a single turn at these kinds."""
    monkeypatch.setattr(faults, "KINDS", kinds)
    breaker = Breaker(SimpleNamespace(), history, random.Random(1), list(kinds))  # type: ignore[arg-type]
    await breaker._one(asyncio.Event())
    history.close()
    return breaker


async def _hits_nothing(_: Scene) -> int:
    return 0


async def _is_not_possible(_: Scene) -> int:
    raise Skipped


async def _hits(scene: Scene) -> int:
    scene.touches.add("worker-1")
    return 2


async def _fails(scene: Scene) -> int:
    scene.touches.add("postgres")
    raise ValueError("oops")


async def test_where_nothing_was_hit_it_is_another_kinds_turn(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = await broken({"a": _hits_nothing, "b": _is_not_possible, "c": _hits}, history, monkeypatch)
    assert breaker.count == {"c": 1}
    told = [(entry["op"], entry["kind"]) for entry in read(history.path)]
    assert told[-1] == ("fault", "c")
    assert {kind for op, kind in told if op == "fault skipped"} <= {"a", "b"}


async def test_a_fault_that_failed_is_no_fault_that_happened_but_its_harm_is_known(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = await broken({"a": _fails}, history, monkeypatch)
    assert breaker.count == {}
    assert breaker.broken == ["a {}: ValueError oops"]
    assert [entry["touches"] for entry in read(history.path) if entry["op"] == "fault"] == [["postgres"]]


async def test_no_fault_ends_the_weather_of_another(history: History) -> None:
    link = Link("redis<worker-1", "127.0.0.1", 1)
    scene = scene_of(history, links=[link])
    with scene.links("redis<"):
        link.weather.lose = True
        with pytest.raises(Skipped), scene.links("redis<"):
            pass
        assert link.weather.lose
    assert not link.weather.lose


async def test_a_process_that_ignores_its_drain_is_noted(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_DRAIN_SECONDS", 0.01)
    member = SimpleNamespace(
        name="worker-1",
        pid=1,
        executors=list,
        signal=lambda _: [1],
        process=SimpleNamespace(wait=asyncio.Event().wait, last_lines=lambda _: ["waiting"]),
    )
    await faults._drain(scene_of(history), member)  # type: ignore[arg-type]
    history.close()
    assert [entry["name"] for entry in read(history.path) if entry["op"] == "undrained"] == ["worker-1"]
