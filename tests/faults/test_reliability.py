"""The page on reliability is what the records make it."""

from __future__ import annotations

from tests.faults.reliability import PAGE, current, page


def test_the_page_is_in_step_with_the_records() -> None:
    assert PAGE.read_text() == current(), "python -m tests.faults.reliability makes it anew"


def test_the_page_names_machines_and_uncommitted_changes_where_records_do() -> None:
    record = {"kind": "scenario", "name": "n", "date": "2026-11-27", "commit": "c", "seed": 1, "violations": 0}
    told = page([record, {**record, "changed since": True, "machine": {"cores": 2, "python": "3.11"}, "misses": 1}], [])
    assert "| n | 2026-11-27 | `c` | 1 |  | 0 |  |  |" in told
    assert "| n | 2026-11-27 | `c` and changes | 1 |  | 0 | 1 | cores: 2, python: 3.11 |" in told
