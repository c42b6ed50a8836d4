"""What a refused call says."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal as the client sees it; violations by field."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]


async def refused(call: Awaitable[object]) -> Refused:
    """Awaits a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailers = dict(caught.value.trailing_metadata())
    status = Status.FromString(bytes(trailers["grpc-status-details-bin"]))
    assert (status.code, status.message) == (caught.value.code().value[0], caught.value.details())
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    assert info.domain == "runwire"
    return Refused(
        caught.value.code(),
        status.message,
        info.reason,
        dict(info.metadata),
        {violation.field: violation.reason for violation in bad.field_violations},
    )
