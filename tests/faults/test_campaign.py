"""A short campaign with a fixed seed: everything that a long one does, and no violation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import Options, run

_KINDS = (
    "kill worker",
    "kill executor",
    "kill dispatch",
    "kill stream",
    "drain worker",
    "restart postgres",
    "end postgres sessions",
    "kill redis",
    "flush redis",
    "kill pubsub clients",
    "reset",
    "cut",
    "lose answer",
    "hold",
)
_STORIES = (
    "short",
    "many_steps",
    "chatty",
    "parallel",
    "failing",
    "cancelled",
    "queue",
    "busy_thread",
    "approval",
    "webhook",
    "listened",
)


@pytest.mark.timeout(240)
async def test_nothing_is_lost_in_a_short_campaign(tmp_path: Path) -> None:
    options = Options(
        seed=20261127,
        seconds=12,
        pace=4,
        pause=0.8,
        followers=20,
        kinds=_KINDS,
        stories=_STORIES,
        warm_up=2,
        steady_least=4,
    )
    print(f"again: ./buildout.sh faults --seed {options.seed} --seconds {options.seconds:g}")
    outcome = await run(options, tmp_path)
    assert outcome.mistakes == []
    assert outcome.violations == []
    assert len(outcome.faults) >= 6
    assert len(list(outcome.evidence.of("created"))) >= 20
