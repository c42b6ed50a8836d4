"""Events that this process makes itself: heartbeats, gaps, and a run's end as its row tells it. No IO."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.stream.v1.stream_pb2 import Finished, Gap, GapReason, Heartbeat, RunEvent, StreamRunResponse
from runwire.api.type.v1.run_pb2 import RUN_STATUS_CANCELLED, RunError
from runwire.core.run_message import STATUSES
from runwire.stream import position
from runwire.stream.log import RunRow
from runwire.stream.position import Position


class Notices:
    """Makes the events of one run, as the bytes of a response."""

    def __init__(self, run_id: UUID) -> None:
        self._run_id = str(run_id)

    def heartbeat(self, thread_id: str | None, newest_id: str) -> bytes:
        """Nothing happened for a while; `newest_id` is the newest event before it."""
        return self._response(thread_id, newest_id, _now(), heartbeat=Heartbeat())

    def gap(self, thread_id: str | None, newest_id: str, reason: GapReason, missing: int = 0) -> bytes:
        """Events are missing; `missing` 0: it is not known how many."""
        return self._response(thread_id, newest_id, _now(), gap=Gap(reason=reason, missing=missing))

    def finished(self, row: RunRow, at: Position) -> bytes:
        """The end of a run whose row is final."""
        finished = Finished(status=STATUSES[row.status])
        if row.error_type is not None:
            finished.error.CopyFrom(RunError(type=row.error_type, message=row.error_message or ""))
        time = Timestamp()
        if row.finished_at is not None:
            time.FromDatetime(row.finished_at)
        return self._response(row.thread_id, position.event_id(at), time, finished=finished)

    def removed(self, thread_id: str | None, final_status: str | None, at: Position) -> bytes:
        """The end of a run that was deleted after it with a status, or undone and removed before one."""
        if final_status is None:
            finished = Finished(status=RUN_STATUS_CANCELLED, rolled_back=True)
        else:
            finished = Finished(status=STATUSES[final_status])
            if final_status in ("error", "timeout"):
                finished.error.CopyFrom(RunError(type="Deleted", message="The run was deleted, and its error with it."))
        return self._response(thread_id, position.event_id(at), _now(), finished=finished)

    def _response(self, thread_id: str | None, event_id: str, time: Timestamp, **payload: Any) -> bytes:
        event = RunEvent(event_id=event_id, run_id=self._run_id, thread_id=thread_id or "", event_time=time, **payload)
        response: bytes = StreamRunResponse(events=[event]).SerializeToString()
        return response


def _now() -> Timestamp:
    time = Timestamp()
    time.GetCurrentTime()
    return time
