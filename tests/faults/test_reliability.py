"""The page on reliability is what the records make it."""

from __future__ import annotations

from tests.faults.reliability import PAGE, current


def test_the_page_is_in_step_with_the_records() -> None:
    assert PAGE.read_text() == current(), "python -m tests.faults.reliability makes it anew"
