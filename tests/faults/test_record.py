"""A record says what it is of."""

from __future__ import annotations

from tests.faults import record
from tests.faults.scenarios.result import Result


def test_a_record_names_the_machine_and_whether_the_tree_was_changed() -> None:
    made = record.of_scenario("joins", 7, Result(figures={"seconds": 1.0}))
    assert isinstance(made["changed since"], bool)
    assert set(made["machine"]) == {"cores", "memory (GB)", "python", "postgres", "redis"}
    assert all(made["machine"].values())
