"""Refused calls as exceptions: one class a status code, with the reason and the details of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from runwire.client.results import Run

_DETAILS = "grpc-status-details-bin"
_DOMAIN = "runwire"


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, a reason as in ErrorReason, and a text."""

    field: str
    reason: str
    description: str


class RunwireError(Exception):
    """A call failed. `str()` is the server's message."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        """A name of the contract's ErrorReason, for example "THREAD_BUSY". Empty: not Runwire's own error, but
        perhaps the network's."""
        self.metadata = dict(metadata or {})
        """The variable parts of the message, for example the thread's id."""
        self.violations = tuple(violations)
        """All wrong fields of the request, of an InvalidArgument."""
        self.retry_after = retry_after
        """The server asks to wait so long before the call is repeated."""


class Cancelled(RunwireError):
    """The call was cancelled."""

    code = grpc.StatusCode.CANCELLED


class InvalidArgument(RunwireError):
    """The request is wrong; see `violations`."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class DeadlineExceeded(RunwireError, TimeoutError):
    """The call's time-out passed first."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class NotFound(RunwireError):
    """What the request names does not exist."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(RunwireError):
    """The id belongs to something with another content, or to a run that is gone."""

    code = grpc.StatusCode.ALREADY_EXISTS


class PermissionDenied(RunwireError):
    """The caller may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhausted(RunwireError):
    """More of something than one caller may have."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(RunwireError):
    """Not in the present state, for example while the thread is busy."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(RunwireError):
    """Something changed meanwhile: read again, then decide."""

    code = grpc.StatusCode.ABORTED


class OutOfRange(RunwireError):
    """The events asked for are no longer kept."""

    code = grpc.StatusCode.OUT_OF_RANGE


class Unimplemented(RunwireError):
    """This server does not serve the call."""

    code = grpc.StatusCode.UNIMPLEMENTED


class Internal(RunwireError):
    """A bug of the server; `metadata["error_id"]` finds it in the server's log."""

    code = grpc.StatusCode.INTERNAL


class Unavailable(RunwireError):
    """The server, its database or a worker is away for now."""

    code = grpc.StatusCode.UNAVAILABLE


class DataLoss(RunwireError):
    """Data is lost or broken."""

    code = grpc.StatusCode.DATA_LOSS


class Unauthenticated(RunwireError):
    """No credentials, or wrong ones."""

    code = grpc.StatusCode.UNAUTHENTICATED


class RunFailed(Exception):
    """A run ended without an output: its status is "error", "timeout" or "cancelled".

    Not a RunwireError, since a failed run is not a failed call.
    """

    def __init__(self, run: Run) -> None:
        why = f": {run.error.type}: {run.error.message}" if run.error else ""
        super().__init__(f"run {run.run_id} ended with {run.status}{why}")
        self.run = run


_BY_CODE = {kind.code: kind for kind in RunwireError.__subclasses__()}


def error_of(error: grpc.RpcError) -> RunwireError:
    """gRPC's error as ours."""
    call = cast(grpc.Call, error)
    kind = _BY_CODE.get(call.code(), RunwireError)
    return kind(call.details() or call.code().name.lower(), **_details(_trailer(call)))


def _trailer(call: grpc.Call) -> bytes:
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            return value
    return b""


def _details(raw: bytes) -> dict[str, Any]:
    """The arguments for an error out of a google.rpc.Status. Details of others than Runwire are no concern of ours."""
    found: dict[str, Any] = {}
    try:
        for packed in _each(raw, 3):
            found |= _detail(AnyMessage.FromString(packed))
    except DecodeError:
        return {}
    return found


def _detail(detail: AnyMessage) -> dict[str, Any]:
    match detail.TypeName():
        case "google.rpc.ErrorInfo" if _text(detail.value, 2) == _DOMAIN:
            entries = _each(detail.value, 3)
            metadata = {_text(entry, 1): _text(entry, 2) for entry in entries}
            return {"reason": _text(detail.value, 1), "metadata": metadata}
        case "google.rpc.BadRequest":
            return {"violations": [_violation(raw) for raw in _each(detail.value, 1)]}
        case "google.rpc.RetryInfo":
            delay = b"".join(_each(detail.value, 1))
            return {"retry_after": Duration.FromString(delay).ToTimedelta()}
    return {}


def _violation(raw: bytes) -> Violation:
    return Violation(field=_text(raw, 1), reason=_text(raw, 3), description=_text(raw, 2))


def _each(raw: bytes, number: int) -> Iterator[bytes]:
    """The values of a field of texts or messages.

    The messages of google.rpc come in a package that a client should not need. To a message without fields, all fields
    are unknown, and protobuf hands those out by their numbers.
    """
    fields = UnknownFieldSet(Empty.FromString(raw))
    for field in map(fields.__getitem__, range(len(fields))):
        if field.field_number == number and isinstance(field.data, bytes):
            yield field.data


def _text(raw: bytes, number: int) -> str:
    return b"".join(_each(raw, number)).decode(errors="replace")
