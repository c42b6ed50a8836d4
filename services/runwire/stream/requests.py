"""What the requests may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from runwire.api.stream.v1.stream_pb2 import StreamRunRequest, StreamThreadRequest, WaitRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.core.checks import Checks
from runwire.stream import position, thread_position
from runwire.stream.position import START, InvalidEventId, Position
from runwire.stream.selection import Selection
from runwire.stream.thread_position import ThreadPosition

_MAX_MODES = 16
_MAX_NAMESPACES = 32
_MAX_PATH = 16
_MAX_NAME_BYTES = 256
_DEFAULT_HEARTBEAT = timedelta(seconds=15)
_HEARTBEATS = timedelta(seconds=1), timedelta(seconds=60)
_DEFAULT_WAIT = timedelta(seconds=60)
_WAITS = timedelta(0), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A StreamRunRequest that was checked."""

    run_id: UUID
    after: Position
    selection: Selection
    heartbeat: float
    cancel_on_disconnect: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowThread:
    """A StreamThreadRequest that was checked."""

    thread_id: str
    after: ThreadPosition | None
    selection: Selection
    heartbeat: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A WaitRunRequest that was checked; `timeout` in seconds."""

    run_id: UUID
    timeout: float


def check_stream_run(request: StreamRunRequest) -> Follow:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    run_id = checks.uuid("run_id", request.run_id)
    after = _event_id(checks, request.after_event_id)
    _check_modes(checks, request)
    _check_namespaces(checks, request)
    heartbeat = _heartbeat(checks, request)
    checks.done()
    assert run_id is not None
    return Follow(
        run_id=run_id,
        after=after,
        selection=Selection(request.stream_modes, [namespace.path for namespace in request.namespaces]),
        heartbeat=heartbeat,
        cancel_on_disconnect=request.cancel_on_disconnect,
    )


def check_stream_thread(request: StreamThreadRequest) -> FollowThread:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    checks.identifier("thread_id", request.thread_id)
    after = _thread_event_id(checks, request.after_event_id)
    _check_modes(checks, request)
    if request.lifecycle_only and request.stream_modes:
        checks.add("stream_modes", "FIELDS_CONFLICT", "must be empty with lifecycle_only")
    heartbeat = _heartbeat(checks, request)
    checks.done()
    selection = Selection(request.stream_modes, lifecycle_only=request.lifecycle_only)
    return FollowThread(thread_id=request.thread_id, after=after, selection=selection, heartbeat=heartbeat)


def check_wait_run(request: WaitRunRequest) -> Wait:
    """Raises InvalidRequest with everything that is wrong."""
    checks = Checks()
    run_id = checks.uuid("run_id", request.run_id)
    timeout: timedelta | None = _DEFAULT_WAIT
    if request.HasField("timeout"):
        timeout = checks.duration("timeout", request.timeout, *_WAITS)
    checks.done()
    assert run_id is not None
    assert timeout is not None
    return Wait(run_id=run_id, timeout=timeout.total_seconds())


def _event_id(checks: Checks, text: str) -> Position:
    try:
        return position.parse(text)
    except InvalidEventId:
        checks.add("after_event_id", "INVALID_EVENT_ID", "is not an event id of this server")
        return START


def _thread_event_id(checks: Checks, text: str) -> ThreadPosition | None:
    try:
        return thread_position.parse(text)
    except InvalidEventId:
        checks.add("after_event_id", "INVALID_EVENT_ID", "is not an event id of a thread's stream")
        return None


def _heartbeat(checks: Checks, request: StreamRunRequest | StreamThreadRequest) -> float:
    """Seconds between heartbeats."""
    span: timedelta | None = _DEFAULT_HEARTBEAT
    if request.HasField("heartbeat_interval"):
        span = checks.duration("heartbeat_interval", request.heartbeat_interval, *_HEARTBEATS)
    return (span or _DEFAULT_HEARTBEAT).total_seconds()


def _check_modes(checks: Checks, request: StreamRunRequest | StreamThreadRequest) -> None:
    checks.length("stream_modes", request.stream_modes, 0, _MAX_MODES)
    for number, mode in enumerate(request.stream_modes[:_MAX_MODES]):
        field = f"stream_modes[{number}]"
        if mode == run_pb2.STREAM_MODE_UNSPECIFIED:
            checks.add(field, "FIELD_INVALID", "must say a mode")
        else:
            checks.enum(field, run_pb2.StreamMode, mode)


def _check_namespaces(checks: Checks, request: StreamRunRequest) -> None:
    checks.length("namespaces", request.namespaces, 0, _MAX_NAMESPACES)
    for number, namespace in enumerate(request.namespaces[:_MAX_NAMESPACES]):
        field = f"namespaces[{number}].path"
        checks.length(field, namespace.path, 0, _MAX_PATH)
        for depth, name in enumerate(namespace.path[:_MAX_PATH]):
            if checks.require(f"{field}[{depth}]", name):
                checks.text(f"{field}[{depth}]", name, _MAX_NAME_BYTES)
