"""Requests that are wrong: refused with everything that is wrong, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from runwire.api.stream.v1.stream_pb2 import Namespace, StreamRunRequest, StreamThreadRequest, WaitRunRequest
from runwire.core.ids import new_uuid
from tests.stream.conftest import Follow
from tests.stream.producer import Producer

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub

RUN = str(new_uuid())


def _details(error: grpc.aio.AioRpcError) -> tuple[str, dict[str, str]]:
    """The reason, and each wrong field with its own."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    info, bad = ErrorInfo(), BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
    return info.reason, {violation.field: violation.reason for violation in bad.field_violations}


async def _refused(call: Any) -> tuple[str, dict[str, str]]:
    answer = call.read() if hasattr(call, "read") else call
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answer
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    return _details(refused.value)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"run_id": ""}, "run_id", "FIELD_REQUIRED"),
        ({"run_id": "x"}, "run_id", "FIELD_INVALID"),
        ({"run_id": RUN.replace("-", "")}, "run_id", "FIELD_INVALID"),
        ({"after_event_id": "x"}, "after_event_id", "INVALID_EVENT_ID"),
        ({"after_event_id": "1-99999999999999999999"}, "after_event_id", "INVALID_EVENT_ID"),
        ({"after_event_id": "1-0"}, "after_event_id", "INVALID_EVENT_ID"),
        ({"stream_modes": [0]}, "stream_modes[0]", "FIELD_INVALID"),
        ({"stream_modes": [1, 99]}, "stream_modes[1]", "UNKNOWN_ENUM_VALUE"),
        ({"stream_modes": [1] * 17}, "stream_modes", "FIELD_OUT_OF_RANGE"),
        ({"namespaces": [Namespace(path=["a", ""])]}, "namespaces[0].path[1]", "FIELD_REQUIRED"),
        ({"namespaces": [Namespace(path=["a" * 257])]}, "namespaces[0].path[0]", "PAYLOAD_TOO_LARGE"),
        ({"namespaces": [Namespace(path=["a"] * 17)]}, "namespaces[0].path", "FIELD_OUT_OF_RANGE"),
        ({"namespaces": [Namespace()] * 33}, "namespaces", "FIELD_OUT_OF_RANGE"),
        ({"heartbeat_interval": Duration()}, "heartbeat_interval", "FIELD_OUT_OF_RANGE"),
        ({"heartbeat_interval": Duration(seconds=61)}, "heartbeat_interval", "FIELD_OUT_OF_RANGE"),
        ({"heartbeat_interval": Duration(seconds=-(2**62))}, "heartbeat_interval", "FIELD_OUT_OF_RANGE"),
    ],
)
async def test_a_wrong_field_of_stream_run_is_named(
    stub: StreamServiceAsyncStub, fields: dict[str, Any], field: str, reason: str
) -> None:
    found = await _refused(stub.StreamRun(StreamRunRequest(**{"run_id": RUN, **fields})))
    assert found == (reason, {field: reason})


async def test_all_wrong_fields_of_stream_run_are_named_at_once(stub: StreamServiceAsyncStub) -> None:
    request = StreamRunRequest(
        run_id="x",
        after_event_id="y",
        stream_modes=[0, 99],  # type: ignore[list-item]
        namespaces=[Namespace(path=[""])],
        heartbeat_interval=Duration(seconds=100),
    )
    reason, fields = await _refused(stub.StreamRun(request))
    assert reason == "INVALID_REQUEST"
    assert fields == {
        "run_id": "FIELD_INVALID",
        "after_event_id": "INVALID_EVENT_ID",
        "stream_modes[0]": "FIELD_INVALID",
        "stream_modes[1]": "UNKNOWN_ENUM_VALUE",
        "namespaces[0].path[0]": "FIELD_REQUIRED",
        "heartbeat_interval": "FIELD_OUT_OF_RANGE",
    }


async def test_all_wrong_fields_of_stream_thread_are_named_at_once(stub: StreamServiceAsyncStub) -> None:
    request = StreamThreadRequest(
        thread_id="no spaces",
        after_event_id="1-1",
        lifecycle_only=True,
        stream_modes=[1],  # type: ignore[list-item]
        heartbeat_interval=Duration(seconds=100),
    )
    reason, fields = await _refused(stub.StreamThread(request))
    assert reason == "INVALID_REQUEST"
    assert fields == {
        "thread_id": "FIELD_INVALID",
        "after_event_id": "INVALID_EVENT_ID",
        "stream_modes": "FIELDS_CONFLICT",
        "heartbeat_interval": "FIELD_OUT_OF_RANGE",
    }


async def test_all_wrong_fields_of_wait_run_are_named_at_once(stub: StreamServiceAsyncStub) -> None:
    reason, fields = await _refused(stub.WaitRun(WaitRunRequest(run_id="x", timeout=Duration(seconds=3601))))
    assert reason == "INVALID_REQUEST"
    assert fields == {"run_id": "FIELD_INVALID", "timeout": "FIELD_OUT_OF_RANGE"}


@pytest.mark.parametrize("event_id", ["2-1", "3-7"])
async def test_an_event_id_of_a_claim_that_never_was_is_refused(
    producer: Producer, stub: StreamServiceAsyncStub, event_id: str
) -> None:
    attempt = await producer.begin()
    request = StreamRunRequest(run_id=str(attempt.run_id), after_event_id=event_id)
    assert (await _refused(stub.StreamRun(request)))[0] == "INVALID_EVENT_ID"


@pytest.mark.parametrize("event_id", ["1-3", "2-1"])
async def test_an_event_id_behind_the_end_of_a_run_is_refused(
    producer: Producer, stub: StreamServiceAsyncStub, event_id: str
) -> None:
    attempt = await producer.begin()
    await attempt.started()
    await attempt.finish()
    request = StreamRunRequest(run_id=str(attempt.run_id), after_event_id=event_id)
    assert (await _refused(stub.StreamRun(request)))[0] == "INVALID_EVENT_ID"


async def test_a_run_that_is_not_there_is_not_found(follow: Follow) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(new_uuid()).end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert _details(refused.value)[0] == "RUN_NOT_FOUND"
