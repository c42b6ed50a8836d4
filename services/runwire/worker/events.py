"""A run's events as they are numbered and written: each becomes bytes once, which every reader gets as they are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.stream.v1.stream_pb2 import Finished, Interrupted, RunEvent, Started
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Interrupt, RunError
from runwire.core import jsons
from runwire.worker.claims import ClaimedRun, Ending
from runwire.worker.outbox import Outbox, RunOutbox

# Field 1 of StreamRunResponse, length-delimited: what stands before each event.
_FRAME = b"\x0a"

_ERROR_MESSAGE_BYTES = 8192


class RunEvents:
    """Numbers the events of one attempt, from 1 on, and hands them to the outbox."""

    def __init__(self, run: ClaimedRun, outbox: Outbox) -> None:
        self._run = run
        self._outbox = outbox
        self._box: RunOutbox = outbox.open(run.fence, logged=run.event_log)
        self._prefix = f"{run.claim}-"
        # Protobuf messages concatenate: what is the same in all events is serialized once.
        self._common = RunEvent(run_id=str(run.run_id), thread_id=run.thread_id or "").SerializeToString()
        self._seq = 0

    @property
    def box(self) -> RunOutbox:
        """What is still on its way out."""
        return self._box

    def emit(self, payload: str, message: Message, namespace: Sequence[str] = ()) -> None:
        """Sends an event; `payload` is the field of RunEvent's oneof that `message` goes into."""
        self._seq += 1
        self._outbox.add(self._box, self._framed(self._seq, payload, message, namespace))

    def started(self) -> None:
        """The attempt begins."""
        run = self._run
        self.emit("started", Started(attempt=run.attempts, graph_id=run.graph_id, assistant_id=run.assistant_id))

    def interrupted(self, interrupts: Sequence[Interrupt]) -> None:
        """The graph paused."""
        self.emit("interrupted", Interrupted(interrupts=interrupts))

    def closing(self, ending: Ending, *, rolled_back: bool = False) -> tuple[int, bytes]:
        """The event that would be the last, with its number. It is not sent: a run may not end as was meant."""
        finished = Finished(status=f"RUN_STATUS_{ending.status.upper()}", rolled_back=rolled_back)
        if ending.error_type is not None:
            finished.error.CopyFrom(RunError(type=ending.error_type, message=ending.error_message or ""))
        seq = self._seq + 1
        return seq, self._framed(seq, "finished", finished, ())

    def _framed(self, seq: int, payload: str, message: Message, namespace: Sequence[str]) -> bytes:
        now = time.time_ns()
        fields: dict[str, Any] = {payload: message}
        event = RunEvent(
            event_id=f"{self._prefix}{seq}",
            namespace=namespace,
            event_time=Timestamp(seconds=now // 1_000_000_000, nanos=now % 1_000_000_000),
            **fields,
        )
        body = self._common + event.SerializeToString()
        return _FRAME + _varint(len(body)) + body


def json_message(value: Any) -> Json:
    """Any Python value as Json."""
    return Json(text=jsons.dumps(value))


def error_of(error: BaseException) -> tuple[str, str]:
    """The type and the text of an exception, as a run's error shows them."""
    text = str(error).encode("utf-8", "replace").replace(b"\0", b"")[:_ERROR_MESSAGE_BYTES]
    return type(error).__name__, text.decode("utf-8", "ignore")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
