"""Following a run, ten thousand times and more: I6, I7 and I14 whatever the seed does."""

from __future__ import annotations

import pytest

from tests.model.follow_oracle import violations
from tests.model.follow_world import tell
from tests.model.seeds import expect_all_good

_SEEDS = 1000


def judge(seed: int) -> list[str]:
    return violations(tell(seed))


@pytest.mark.parametrize("first", range(0, 10_000, _SEEDS))
def test_every_reader_gets_what_it_may_rely_on(first: int) -> None:
    expect_all_good("run", judge, range(first, first + _SEEDS))


def test_a_seed_tells_the_same_story_each_time() -> None:
    for seed in range(20):
        first, second = tell(seed), tell(seed)
        assert [(at, what) for at, what, _ in first.journal] == [(at, what) for at, what, _ in second.journal]
        assert first.emitted == second.emitted
