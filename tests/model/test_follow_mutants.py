"""The simulation notices each classic mistake within a few hundred seeds."""

from __future__ import annotations

import pytest

from tests.model.follow_mutants import MUTANTS
from tests.model.seeds import first_bad
from tests.model.test_follow_run import judge

_SEEDS = 1000


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_noticed_when(name: str) -> None:
    with MUTANTS[name]():
        assert first_bad(judge, range(_SEEDS)) is not None
