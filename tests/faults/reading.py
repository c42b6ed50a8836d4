"""What one reader got of one run, in few words: stretches of events that followed one another, and what lay between.

A stretch is `[claim, first, last, digest]`; a gap is `["gap", reason]`. The digest is of the events' bytes, so two
readers, or a reader and the log, are compared without keeping the events.
"""

from __future__ import annotations

import hashlib
from typing import Any

from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1.run_pb2 import RunStatus

Part = list[Any]


def place_of(event_id: str) -> tuple[int, int]:
    """An event id's claim and number."""
    claim, _, seq = event_id.partition("-")
    return int(claim), int(seq)


def inside_of(event_id: str) -> str:
    """The id in its run of an event of a thread's stream, whose own id names the run and its place in the thread.

    Empty for the id of a moment, which is that of a Gap before the first event of all.
    """
    _, _, inside = event_id.partition(":")
    return inside.partition(":")[0]


class Digest:
    """Of events in order."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=8)

    def add(self, event: stream_pb2.RunEvent) -> None:
        """The next event."""
        self._hash.update(event.SerializeToString(deterministic=True))

    def text(self) -> str:
        """As it is now."""
        return self._hash.hexdigest()


class Reading:
    """One reader's way through a run, over as many streams as it takes."""

    def __init__(self, run_id: str, after: str = "") -> None:
        self.run_id = run_id
        self.after = after
        self.last_id = after
        self.parts: list[Part] = []
        self.events = 0
        self.finished: str | None = None
        self._digest = Digest()

    def take(self, event: stream_pb2.RunEvent) -> None:
        """The next event that came."""
        kind = event.WhichOneof("payload")
        if kind == "heartbeat":
            return
        if kind == "gap":
            self._close()
            self.parts.append(["gap", stream_pb2.GapReason.Name(event.gap.reason)])
            return
        claim, seq = place_of(event.event_id)
        last = self.parts[-1] if self.parts else None
        if last is not None and last[0] == claim and last[2] + 1 == seq:
            last[2] = seq
        else:
            self._close()
            self.parts.append([claim, seq, seq, ""])
            self._digest = Digest()
        self._digest.add(event)
        self.events += 1
        self.last_id = event.event_id
        if kind == "finished":
            status = RunStatus.Name(event.finished.status).removeprefix("RUN_STATUS_").lower()
            self.finished = "rolled back" if event.finished.rolled_back else status

    def _close(self) -> None:
        if self.parts and self.parts[-1][0] != "gap":
            self.parts[-1][3] = self._digest.text()

    def entry(self) -> dict[str, Any]:
        """For the history."""
        self._close()
        return {
            "run": self.run_id,
            "after": self.after,
            "parts": self.parts,
            "events": self.events,
            "finished": self.finished,
        }
