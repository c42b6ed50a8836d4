"""What clients did and what they were told, as JSON lines: the material that the checker judges."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class History:
    """Entries, in the order in which they were completed.

    `op` says what; `at` and `until` when, in nanoseconds since the epoch; the rest is the operation's own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8")

    def note(self, op: str, *, at: int | None = None, **fields: Any) -> None:
        """One entry; without `at` it happened now."""
        now = time.time_ns()
        self._file.write(json.dumps({"op": op, "at": at or now, "until": now, **fields}) + "\n")

    def close(self) -> None:
        """All of it is in the file then."""
        self._file.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a history."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
