"""What a process died of is read from its log."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.logs import records


def test_an_error_of_postgres_with_details_is_known_as_one(tmp_path: Path) -> None:
    traceback = (
        "Traceback (most recent call last):\n"
        "asyncpg.exceptions.CannotConnectNowError: the database system is not yet accepting connections\n"
        "DETAIL:  Consistent recovery state has not been yet reached.\n"
    )
    line = {
        "time": "2026-11-27 12:00:00,000",
        "level": "CRITICAL",
        "message": "ended by an exception",
        "process": "executor-2",
        "action": "uncaught",
        "exc_info": traceback,
    }
    (tmp_path / "worker-1.log").write_text(json.dumps(line) + "\n")
    assert [record.unreachable for record in records(tmp_path)] == [True]
