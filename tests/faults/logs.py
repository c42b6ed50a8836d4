"""What processes logged that should not happen: errors, and exceptions that nobody caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A process that can't reach what it needs when it starts says so, and is started again.
_EXPECTED_ACTIONS = frozenset({"respawn_failed"})
_EXPECTED_ENDS = (
    "ConnectionResetError",
    "ConnectionRefusedError",
    "TimeoutError",
    "OSError",
    "asyncpg.exceptions",
    "asyncio.exceptions.CancelledError",
    "The above exception",
    "The worker can't start. An executor ended before it was ready",
    "During handling",
)


def logged_errors(folder: Path) -> Iterator[str]:
    """One text for each, in the order of the files."""
    for file in sorted(folder.glob("*.log*")):
        traceback: list[str] = []
        for line in file.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                record: dict[str, Any] = json.loads(line)
                if record["level"] in ("ERROR", "CRITICAL") and not _is_expected(record):
                    yield f"{file.name}: {record['message']} {_last_lines(record)}"
            elif traceback and line and not line.startswith((" ", "+", "Traceback")):
                if not line.startswith(_EXPECTED_ENDS):
                    yield f"{file.name}: {line} {' '.join(traceback[-2:])}"
                traceback = []
            elif traceback or "Traceback (most recent call last)" in line:
                traceback.append(line.strip())


def _is_expected(record: dict[str, Any]) -> bool:
    if record.get("action") == "uncaught":
        last = str(record["exc_info"]).rstrip(" |+-\n").splitlines()[-1]
        return last.lstrip(" |").startswith(_EXPECTED_ENDS)
    return record.get("action") in _EXPECTED_ACTIONS


def _last_lines(record: dict[str, Any]) -> str:
    lines = str(record.get("exc_info", "")).strip().splitlines()
    return " | ".join(line.strip() for line in lines[-4:])
