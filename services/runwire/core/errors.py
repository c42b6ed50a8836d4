"""Refusals: one small class a reason. Its docstring is the message, with the metadata filled in.

Raise one anywhere; `runwire.core.interceptors` turns it into a gRPC status with its details.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from runwire.api.type.v1.error_reason_pb2 import ErrorReason

DOMAIN = "runwire"

# Clients take 8 KiB of trailers, which hold the message twice and the details in base64.
_MESSAGE_BYTES = 1024
_VIOLATION_BYTES = 3072


class Refusal(Exception):
    """A call is refused."""

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    reason: str = "INTERNAL"
    retry_after: ClassVar[timedelta | None] = None

    def __init__(self, **metadata: object) -> None:
        self.metadata = {key: str(value) for key, value in metadata.items()}
        super().__init__((type(self).__doc__ or "").format(**self.metadata))

    def details(self) -> list[Message]:
        """The details beside ErrorInfo."""
        if self.retry_after is None:
            return []
        delay = Duration()
        delay.FromTimedelta(self.retry_after)
        return [RetryInfo(retry_delay=delay)]


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: its path, an ErrorReason without prefix, and a text for its sender."""

    field: str
    reason: str
    description: str


class InvalidRequest(Refusal):
    """The request is invalid: {fields}."""

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = list(violations)
        texts = [f"{v.field}: {v.description}" for v in self.violations]
        super().__init__(fields=_joined(texts, len(_fitting(texts, _MESSAGE_BYTES))))
        self.metadata = {}
        reasons = {v.reason for v in self.violations}
        self.reason = reasons.pop() if len(reasons) == 1 else "INVALID_REQUEST"

    def details(self) -> list[Message]:
        """All violations, as far as a response's trailers can hold them."""
        sizes = [f"{v.field}{v.reason}{v.description}" for v in self.violations]
        fitting = self.violations[: len(_fitting(sizes, _VIOLATION_BYTES))]
        return [
            BadRequest(
                field_violations=[
                    BadRequest.FieldViolation(field=v.field, reason=v.reason, description=v.description)
                    for v in fitting
                ]
            )
        ]


class MalformedMessage(Refusal):
    """The bytes of the request are no message of its type, or a text in it is not UTF-8."""

    code, reason = grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE"


def _fitting(texts: Sequence[str], room: int) -> Sequence[str]:
    for count, text in enumerate(texts):
        room -= len(text.encode()) + 16
        if room < 0:
            return texts[: max(count, 1)]
    return texts


def _joined(texts: Sequence[str], shown: int) -> str:
    more = f"; and {len(texts) - shown} more" if shown < len(texts) else ""
    return "; ".join(texts[:shown]) + more


class AssistantNotFound(Refusal):
    """There is no assistant {assistant_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "ASSISTANT_NOT_FOUND"


class AssistantVersionNotFound(Refusal):
    """Assistant {assistant_id} has no version {version}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "ASSISTANT_VERSION_NOT_FOUND"


class GraphNotFound(Refusal):
    """No worker has published a graph {graph_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "GRAPH_NOT_FOUND"


class ThreadNotFound(Refusal):
    """There is no thread {thread_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "THREAD_NOT_FOUND"


class RunNotFound(Refusal):
    """There is no run {run_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "RUN_NOT_FOUND"


class CheckpointNotFound(Refusal):
    """Thread {thread_id} has no checkpoint {checkpoint_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND"


class CronNotFound(Refusal):
    """There is no cron {cron_id}."""

    code, reason = grpc.StatusCode.NOT_FOUND, "CRON_NOT_FOUND"


class ItemNotFound(Refusal):
    """There is no item with this key in this namespace."""

    code, reason = grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND"


class IdReused(Refusal):
    """The id {id} belongs to something that was created with another request, or to a run that is gone."""

    code, reason = grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED"


class ThreadBusy(Refusal):
    """Thread {thread_id} has an unfinished run."""

    code, reason = grpc.StatusCode.FAILED_PRECONDITION, "THREAD_BUSY"


class RunNotFinished(Refusal):
    """Run {run_id} has not ended; cancel it first."""

    code, reason = grpc.StatusCode.FAILED_PRECONDITION, "RUN_NOT_FINISHED"


class ThreadHasNoGraph(Refusal):
    """Thread {thread_id} has never run a graph, so it has no state."""

    code, reason = grpc.StatusCode.FAILED_PRECONDITION, "THREAD_HAS_NO_GRAPH"


class StateUpdateRefused(Refusal):
    """{text}"""

    code, reason = grpc.StatusCode.FAILED_PRECONDITION, "STATE_UPDATE_REFUSED"

    def __init__(self, text: str) -> None:
        super().__init__(text=text)
        # The message is the graph's, and is not told twice.
        self.metadata = {}


class AssistantIsDefault(Refusal):
    """Assistant {assistant_id} is the default of its graph and can't be deleted."""

    code, reason = grpc.StatusCode.FAILED_PRECONDITION, "ASSISTANT_IS_DEFAULT"


class VersionMismatch(Refusal):
    """Assistant {assistant_id} is at version {version} now."""

    code, reason = grpc.StatusCode.ABORTED, "VERSION_MISMATCH"


class EventsExpired(Refusal):
    """The events of run {run_id} after this event id are no longer kept."""

    code, reason = grpc.StatusCode.OUT_OF_RANGE, "EVENTS_EXPIRED"


class QuotaExceeded(Refusal):
    """The limit {limit} of the caller's tenant is reached; try again later."""

    code, reason = grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"

    def __init__(self, limit: str, retry_after: timedelta) -> None:
        super().__init__(limit=limit)
        self._delay = retry_after

    def details(self) -> list[Message]:
        """When to try again."""
        delay = Duration()
        delay.FromTimedelta(self._delay)
        return [RetryInfo(retry_delay=delay)]


class DatabaseUnavailable(Refusal):
    """The database can't be reached; try again."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"
    retry_after = timedelta(seconds=1)


class NoWorker(Refusal):
    """No live worker serves graph {graph_id}."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "NO_WORKER"
    retry_after = timedelta(seconds=5)


class ServerDraining(Refusal):
    """This server is shutting down; call again."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING"
    retry_after = timedelta(seconds=0.5)


class StateUnreadable(Refusal):
    """What is stored of the state of thread {thread_id} can't be read."""

    code, reason = grpc.StatusCode.DATA_LOSS, "STATE_UNREADABLE"


class StreamExpired(Refusal):
    """The stream has been open for long enough; call again, after the last event."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "STREAM_EXPIRED"


class DeadlineExceeded(Refusal):
    """The deadline passed before the answer was there."""

    code, reason = grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"


class NotServed(Refusal):
    """{method} is part of the contract, but this server does not serve it."""

    code, reason = grpc.StatusCode.UNIMPLEMENTED, "NOT_SERVED"


class Unauthenticated(Refusal):
    """The call carries no valid credentials."""

    code, reason = grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"


class AuthenticationUnavailable(Refusal):
    """Who calls can't be told at the moment; try again."""

    code, reason = grpc.StatusCode.UNAVAILABLE, "AUTHENTICATION_UNAVAILABLE"
    retry_after = timedelta(seconds=1)


class PermissionDenied(Refusal):
    """The call needs the scope {scope}, which its caller does not have."""

    code, reason = grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"


class Bug(Refusal):
    """Something went wrong inside; the server's log has it under {error_id}."""


def to_status(refusal: Refusal) -> Status:
    """The wire form: code, message, one ErrorInfo, and the refusal's own details."""
    ErrorReason.Value(f"ERROR_REASON_{refusal.reason}")
    info = ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata)
    packed = []
    for detail in [info, *refusal.details()]:
        wrapped = AnyMessage()
        wrapped.Pack(detail)
        packed.append(wrapped)
    code: int = refusal.code.value[0]
    return Status(code=code, message=str(refusal), details=packed)
