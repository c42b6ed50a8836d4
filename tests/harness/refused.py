"""What a refused call says."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal as the client sees it; violations by field. It may be repeated when it says when."""

    code: grpc.StatusCode
    message: str
    reason: str
    infos: int
    violations: dict[str, str]
    metadata: dict[str, str] = field(default_factory=dict)
    may_be_repeated: bool = False


async def refused(call: Awaitable[object]) -> Refused:
    """Awaits a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


def refusal(error: grpc.aio.AioRpcError) -> Refused:
    """Reads the details of a failed call."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    if status is None:
        # The client's own deadline: no server has said anything.
        return Refused(error.code(), error.details() or "", "", 0, {})
    info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
    infos = sum(detail.Unpack(info) for detail in status.details)
    repeated = any(detail.Unpack(retry) for detail in status.details)
    for detail in status.details:
        detail.Unpack(bad)
    violations = {violation.field: violation.reason for violation in bad.field_violations}
    return Refused(error.code(), status.message, info.reason, infos, violations, dict(info.metadata), repeated)
