"""The scenarios, each some minutes long: only where slow tests are wanted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults import scenarios

_SEED = 20261127

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("RUNWIRE_SLOW_TESTS"), reason="takes minutes; RUNWIRE_SLOW_TESTS=1 runs it"),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", list(scenarios.ALL))
async def test_a_scenario_holds(name: str, tmp_path: Path) -> None:
    result = await scenarios.ALL[name](_SEED, tmp_path)
    print(name, result.figures)
    assert result.violations == []
    assert result.misses == []
