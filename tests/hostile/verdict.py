"""What is wrong with a reply to a hostile request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status

from runwire.api.type.v1.error_reason_pb2 import ErrorReason
from tests.hostile.calls import Reply

CODES = frozenset(
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
    )
)
"""How a hostile request may be refused. UNAVAILABLE is for graphs that no worker serves."""

INSIDES = re.compile(
    r"asyncpg|psycopg|postgres|redis|valkey|Traceback|\bFile \"|\.py\b|site-packages|/services/|orjson|msgpack"
    r"|\bSELECT\b|\bINSERT\b|\bUPDATE\b .*\bSET\b|syntax error|duplicate key|violates|constraint|relation \"|column \""
    r"|google\.protobuf|DecodeError|<class |<runwire|object at 0x|Exception|Unexpected|\w+Error\b|NoneType|utf-8 codec"
)
"""Words of the inside, which no caller reads."""

MESSAGE_BYTES = 32 * 1024 * 1024
_SLOW_SECONDS = 15.0
_STEP = re.compile(r"(\w+)(?:\[(.*?)\])?(?:\.|$)")


def faults(reply: Reply) -> Iterator[str]:
    """Each thing that should not be."""
    if reply.seconds > _SLOW_SECONDS:
        yield f"took {reply.seconds:.1f} s"
    if reply.error is None or reply.patience:
        return
    if reply.code == grpc.StatusCode.RESOURCE_EXHAUSTED and len(reply.raw) > MESSAGE_BYTES:
        # What gRPC does not take does not reach the service.
        return
    if reply.code not in CODES:
        yield f"ended with {reply.code.name}: {reply.error.details()}"
    yield from _faults_of_status(reply)


def _faults_of_status(reply: Reply) -> Iterator[str]:
    error: Any = reply.error
    status = rpc_status.from_call(error)
    if status is None:
        yield f"has no details: {reply.code.name}: {error.details()}"
        return
    info, bad = ErrorInfo(), BadRequest()
    infos = sum(detail.Unpack(info) for detail in status.details)
    if infos != 1:
        yield f"has {infos} ErrorInfo"
    if info.domain != "runwire" or f"ERROR_REASON_{info.reason}" not in ErrorReason.keys():  # noqa: SIM118
        yield f"has the reason {info.domain}/{info.reason}"
    if status.code == grpc.StatusCode.UNAVAILABLE.value[0] and info.reason != "NO_WORKER":
        yield f"is unavailable: {info.reason}"
    for detail in status.details:
        detail.Unpack(bad)
        if not any(detail.Is(kind.DESCRIPTOR) for kind in (ErrorInfo, BadRequest, RetryInfo)):
            yield f"has a detail {detail.type_url}"
    texts = [status.message, *info.metadata.values()]
    texts += [text for violation in bad.field_violations for text in (violation.field, violation.description)]
    yield from _leaks(reply, texts, info.reason)
    if status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]:
        yield from _faults_of_violations(reply, bad, info.reason)


def _leaks(reply: Reply, texts: list[str], reason: str) -> Iterator[str]:
    for text in texts:
        found = INSIDES.search(text)
        # A graph's own refusal is the graph's own text, with the name of its exception; and what the caller said
        # itself is no secret.
        told = found is not None and found[0].encode() in reply.raw
        if found is not None and not told and not (reason == "STATE_UPDATE_REFUSED" and found[0].endswith("Error")):
            yield f"tells {found[0]!r}: {text[:300]}"


def _faults_of_violations(reply: Reply, bad: BadRequest, reason: str) -> Iterator[str]:
    if reason == "MALFORMED_MESSAGE":
        if bad.field_violations or _parsed(reply) is not None:
            yield "is called malformed"
        return
    if not bad.field_violations:
        yield "names no field"
    request = _parsed(reply)
    for violation in bad.field_violations:
        if request is not None and not _names_a_field(request, violation.field):
            yield f"names {violation.field!r}, which is no field of the request"
        if not violation.description or f"ERROR_REASON_{violation.reason}" not in ErrorReason.keys():  # noqa: SIM118
            yield f"says of {violation.field!r}: {violation.reason} {violation.description!r}"


def _parsed(reply: Reply) -> Message | None:
    try:
        return reply.rpc.request_class.FromString(reply.raw)
    except DecodeError:
        return None


def _names_a_field(message: Message, path: str) -> bool:
    """Whether a path such as `a.b[2].c` leads to a field of this very message."""
    step = _STEP.match(path)
    field = message.DESCRIPTOR.fields_by_name.get(step[1]) if step else None
    if step is None or field is None:
        return False
    rest, value = path[step.end() :], getattr(message, field.name)
    if step[2] is not None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return not rest
        if not field.is_repeated or not step[2].isdigit() or int(step[2]) >= len(value):
            return False
        value = value[int(step[2])]
    if not rest:
        return True
    return field.type == FieldDescriptor.TYPE_MESSAGE and isinstance(value, Message) and _names_a_field(value, rest)
