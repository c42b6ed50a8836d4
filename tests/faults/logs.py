"""What processes logged of their lives, and what should not happen: errors, and exceptions that nobody caught."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_OF_LIVES = frozenset({"registered", "executor_gone", "executor_killed"})
# A process that can't reach what it needs when it starts says so, and is started again.
_EXPECTED_ACTIONS = frozenset({"respawn_failed"})
_UNREACHABLE = (
    "ConnectionResetError",
    "ConnectionRefusedError",
    "TimeoutError",
    "OSError",
    "asyncpg.exceptions.CannotConnectNowError",
    "asyncpg.exceptions.ConnectionDoesNotExistError",
    "asyncpg.exceptions.ConnectionFailureError",
    "asyncpg.exceptions.AdminShutdownError",
    "asyncpg.exceptions.CrashShutdownError",
    "asyncpg.exceptions.TooManyConnectionsError",
    "asyncpg.exceptions._base.InternalClientError",
    "asyncpg.exceptions._base.InterfaceError: connection",
    "asyncio.exceptions.CancelledError",
    "The worker can't start. An executor ended before it was ready",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a member's log, of one of its processes. `at` is in nanoseconds since the epoch.

    `unreachable`: for the lack of what it stands on, a process ended, or could not note that a webhook had come.
    """

    at: int
    member: str
    process: str
    action: str
    text: str = ""
    worker_id: str = ""
    is_error: bool = False
    unreachable: bool = False


def records(folder: Path) -> Iterator[Record]:
    """Those of lives and those of errors, in the order of the files."""
    for file in sorted(folder.glob("*.log*")):
        yield from _of_member(file.name.partition(".")[0], file.read_text(errors="replace").splitlines())


def _of_member(member: str, lines: list[str]) -> Iterator[Record]:
    at, traceback = 0, list[str]()
    for line in lines:
        if line.startswith("{"):
            record: dict[str, Any] = json.loads(line)
            at = _nanoseconds(record["time"])
            action, is_error = record.get("action", ""), record["level"] in ("ERROR", "CRITICAL")
            if action in _OF_LIVES or (is_error and action not in _EXPECTED_ACTIONS):
                last = _last_line(record)
                yield Record(
                    at=at,
                    member=member,
                    process=record["process"],
                    action=action,
                    text=f"{record['message']} {_last_lines(record)}",
                    worker_id=record.get("worker_id", ""),
                    is_error=is_error,
                    unreachable=action == "webhook_not_recorded"
                    or (action == "uncaught" and last.startswith(_UNREACHABLE)),
                )
        elif traceback and line and not line.startswith((" ", "+", "Traceback")):
            text = f"{line} {' '.join(traceback[-2:])}"
            yield Record(
                at=at,
                member=member,
                process="",
                action="traceback",
                text=text,
                is_error=True,
                unreachable=line.startswith(_UNREACHABLE),
            )
            traceback = []
        elif traceback or "Traceback (most recent call last)" in line:
            traceback.append(line.strip())


def _nanoseconds(time: str) -> int:
    """Of a log's time, which is of the machine's time zone."""
    return round(datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f").timestamp() * 1e9)


def _last_line(record: dict[str, Any]) -> str:
    """What names the exception. Postgres adds to its own."""
    lines = [line.lstrip(" |") for line in str(record.get("exc_info", "")).rstrip(" |+-\n").splitlines()]
    return next((line for line in reversed(lines) if not line.startswith(("DETAIL:", "HINT:"))), "")


def _last_lines(record: dict[str, Any]) -> str:
    lines = str(record.get("exc_info", "")).strip().splitlines()
    return " | ".join(line.strip() for line in lines[-4:])
