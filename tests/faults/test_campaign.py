"""A short campaign with a fixed seed: everything that a long one does, and no violation."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.faults.__main__ import _arguments, _options
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


@pytest.mark.slow
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
    print(f"again: {options.command}")
    outcome = await run(options, tmp_path)
    assert outcome.mistakes == []
    assert outcome.violations == []
    assert len(outcome.faults) >= 6
    assert len(list(outcome.evidence.of("created"))) >= 20


@pytest.mark.parametrize(
    "options",
    [
        Options(seed=1, seconds=60),
        Options(
            seed=2,
            seconds=12.5,
            pace=4,
            pause=0.8,
            followers=20,
            warm_up=2,
            steady_least=4,
            kinds=_KINDS,
            stories=_STORIES,
        ),
    ],
)
def test_the_command_that_is_printed_repeats_the_campaign(options: Options) -> None:
    assert _options(_arguments(shlex.split(options.command)[2:])) == options
