"""What user code really ran: lines that the graphs' nodes append to a file outside of the product."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

JOURNAL_VARIABLE = "FAULTS_JOURNAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A node's "begin", "goes on", "refuses" or "end".

    `at` is in nanoseconds since the epoch, `pid` the executor and `parent` its supervisor.
    """

    at: int
    pid: int
    parent: int
    version: str
    run_id: str
    thread_id: str
    attempt: int
    node: str
    event: str


class Journal:
    """Appends lines; each is one write, so lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def note(self, *, run_id: str, thread_id: str, attempt: int, version: str, node: str, event: str) -> None:
        """One line."""
        fields = (time.time_ns(), os.getpid(), os.getppid(), version, run_id, thread_id, attempt, node, event)
        os.write(self._file, json.dumps(fields).encode() + b"\n")


def read(path: Path) -> Iterator[Line]:
    """The lines of a journal in the order in which they were written."""
    names = Line.__slots__
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Line(**dict(zip(names, json.loads(line), strict=True)))
