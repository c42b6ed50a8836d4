"""Following a thread: its runs one after another, each whole, in the order in which they began."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from runwire.stream import thread_log
from tests.model.seeds import expect_all_good, first_bad
from tests.model.simulated_postgres import SimulatedPostgres
from tests.model.thread_oracle import violations
from tests.model.thread_world import tell

_SEEDS = 300


def judge(seed: int) -> list[str]:
    return violations(tell(seed))


@pytest.mark.parametrize("first", range(0, 1_200, _SEEDS))
def test_every_reader_gets_what_it_may_rely_on(first: int) -> None:
    expect_all_good("thread", judge, range(first, first + _SEEDS))


def _begins_now(postgres: SimulatedPostgres, *arguments: Any) -> list[dict[str, Any]]:
    return [{**row, "last_began_at": None} for row in _next_runs(postgres, *arguments)]


_next_runs = SimulatedPostgres.next_runs


@pytest.mark.parametrize(
    ("where", "name", "wrong"),
    [
        pytest.param(SimulatedPostgres, "next_runs", _begins_now, id="the stream begins in the midst of a claim"),
        pytest.param(thread_log, "_leave_early_ends", lambda _: None, id="early ends are told at once"),
    ],
)
def test_it_is_noticed_when(where: Any, name: str, wrong: Any) -> None:
    with patch.object(where, name, wrong):
        assert first_bad(judge, range(_SEEDS)) is not None
