"""Bytes that are no call at all, and calls that nobody means: the services go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor

from runwire.api.resource.v1 import threads_pb2
from runwire.cli.stack import Stack
from tests.contract.rpcs import Rpc, all_rpcs
from tests.hostile import aftermath, http2
from tests.hostile.calls import Caller
from tests.hostile.verdict import faults

_SERVICES = ("resource", "dispatch", "stream")
_ALL = ("resource", "dispatch", "stream", "worker")
# A process keeps what it once needed. A grpc.aio server without any code of ours keeps half a KB of each call that is
# reset, so twice 20,000 resets may take some more.
_GROWTH_MB = 96
_AGAIN_MB = 40
_LIST = "/runwire.api.resource.v1.ThreadsService/ListThreads"
_MALFORMED = (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 10_000, b"\x0a\x05ab")


@pytest.fixture
def unmoved(processes: Stack, caller: Caller, logs: Path) -> Iterator[None]:
    """Afterwards all processes are the same, healthy, no larger, and answer."""
    pids = {process.name: process.pid for process in processes.processes if process.pid is not None}
    families, alarms, before = aftermath.families(pids), aftermath.alarms(logs), aftermath.memory(pids)
    yield
    assert caller.call(threads_pb2.CountThreadsRequest()) is not None
    assert aftermath.families(pids) == families
    assert aftermath.alarms(logs) == alarms
    assert not aftermath.unhealthy({name: processes.address(name) for name in pids})
    after = aftermath.memory(pids)
    assert not {name: (before[name], mb) for name, mb in after.items() if mb - before[name] > _GROWTH_MB}


def _texts(rpc: Rpc) -> list[FieldDescriptor]:
    return [field for field in rpc.method.input_type.fields if field.type == FieldDescriptor.TYPE_STRING]


def test_bytes_that_are_no_message_are_refused_as_such(caller: Caller, unmoved: None) -> None:
    replies = [caller.begin(rpc, raw) for rpc in all_rpcs() for raw in _MALFORMED]
    for reply in replies:
        assert reply.done.wait(20)
        assert reply.code == grpc.StatusCode.INVALID_ARGUMENT
        assert not list(faults(reply)), (reply.rpc.name, reply.error)


def test_a_text_that_is_not_utf8_is_refused(caller: Caller, unmoved: None) -> None:
    for rpc in all_rpcs():
        for field in _texts(rpc):
            tag = field.number << 3 | 2
            raw = bytes((tag & 127 | 128, tag >> 7) if tag > 127 else (tag,)) + b"\x03\xed\xa0\x80"
            reply = caller.begin(rpc, raw)
            assert reply.done.wait(20)
            assert (reply.code, list(faults(reply))) == (grpc.StatusCode.INVALID_ARGUMENT, []), (rpc.name, field.name)


@pytest.mark.parametrize("name", _ALL)
def test_a_megabyte_of_garbage_ends_its_own_connection_alone(processes: Stack, name: str, unmoved: None) -> None:
    garbage = random.Random(4).randbytes(1024 * 1024)
    for raw in (garbage, http2.PREFACE + garbage, http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) + garbage):
        http2.send(processes.address(name), raw)


@pytest.mark.parametrize("name", _ALL)
def test_torn_and_lying_frames_are_survived(processes: Stack, name: str, unmoved: None) -> None:
    start = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)
    call = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers(_LIST))
    for raw in (
        http2.PREFACE[:10],
        start[:-4],
        start + call[:-7],
        start + call + http2.frame(http2.DATA, http2.END_STREAM, 1, b"\0\0\0\0\5ab"),
        start + call + http2.frame(http2.DATA, http2.END_STREAM, 1, b"\1\xff\xff\xff\xff" + b"x" * 100),
        start + call + http2.frame(http2.DATA, http2.END_STREAM, 1, b"\7" * 1000),
        start + call + http2.frame(http2.HEADERS, http2.END_HEADERS, 1, b"\xff" * 200),
        start + http2.frame(http2.CONTINUATION, 0, 1, b"\0" * 16_000) * 20,
        start + http2.frame(http2.HEADERS, 0, 1, http2.headers(_LIST)) + http2.frame(http2.CONTINUATION, 0, 1) * 5_000,
        start + http2.frame(http2.PING, 0, 0, b"12345678") * 5_000,
        start + http2.frame(http2.SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"),
        start + call.replace(b"POST", b"GET "),
    ):
        http2.send(processes.address(name), raw)


@pytest.mark.parametrize("name", _SERVICES)
def test_a_flood_of_calls_that_are_reset_at_once_is_survived(processes: Stack, name: str, unmoved: None) -> None:
    rpc = next(rpc for rpc in all_rpcs() if rpc.process == name and rpc.name.startswith(("List", "WaitRun")))
    flood = b"".join(
        http2.frame(http2.HEADERS, http2.END_HEADERS, stream, http2.headers(rpc.path))
        + http2.frame(http2.RST_STREAM, 0, stream, b"\0\0\0\x08")
        for stream in range(1, 10_000, 2)
    )
    held = []
    with ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            list(threads.map(lambda _: http2.send(processes.address(name), _start() + flood), range(4)))
            held.append(aftermath.memory({name: processes.process(name).pid or 0})[name])
    assert held[-1] - held[0] < _AGAIN_MB, held


def _start() -> bytes:
    return http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0)


def test_calls_that_are_abandoned_leave_nothing(processes: Stack, caller: Caller, unmoved: None) -> None:
    for rpc in all_rpcs():
        with grpc.insecure_channel(processes.address(rpc.process)) as channel:
            kind: Any = channel.unary_stream if rpc.method.server_streaming else channel.unary_unary
            open_call = kind(rpc.path)
            calls = [open_call(b"") if rpc.method.server_streaming else open_call.future(b"") for _ in range(40)]
            for call in calls:
                call.cancel()


_CREDENTIALS = (
    "",
    " ",
    "Bearer",
    "Bearer ",
    "bearer  x",
    "Basic eDp5",
    "Bearer " + "x" * 3_000,
    "' OR 1=1 --",
    "%s{0}",
)
_TIMEOUTS = (
    "",
    "S",
    "1",
    "0n",
    "-1S",
    "1.5S",
    "1s",
    "+1S",
    "99999999H",
    "999999999S",
    "9" * 5_000 + "S",
    "1S1S",
    "\u0661S",
)


def _outcome(call: Any, metadata: list[tuple[str, str | bytes]]) -> Any:
    try:
        return call(b"", metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return error.code(), error.details()


@pytest.mark.parametrize("name", _SERVICES)
def test_credentials_that_nobody_asks_for_change_no_answer(processes: Stack, name: str, unmoved: None) -> None:
    (rpc,) = [rpc for rpc in all_rpcs() if rpc.process == name and rpc.name in ("CountThreads", "CountRuns", "WaitRun")]
    hostile: list[list[tuple[str, str | bytes]]] = [[(f"x-{number}", "") for number in range(100)]]
    for entry in ("authorization", "x-api-key"):
        for value in _CREDENTIALS:
            hostile += [[(entry, value)], [(entry, value)] * 2, [(f"{entry}-bin", value.encode())]]
    with grpc.insecure_channel(processes.address(name)) as channel:
        call: Any = channel.unary_unary(rpc.path)
        usual = _outcome(call, [])
        assert [metadata for metadata in hostile if _outcome(call, metadata) != usual] == []


@pytest.mark.parametrize("name", _ALL)
def test_timeouts_that_are_none_are_survived(processes: Stack, name: str, unmoved: None) -> None:
    for timeout in _TIMEOUTS:
        call = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers(_LIST, grpc_timeout=timeout))
        http2.send(processes.address(name), _start() + call + http2.frame(http2.DATA, http2.END_STREAM, 1, b"\0" * 5))


@pytest.mark.parametrize("name", _ALL)
def test_giant_metadata_and_messages_are_refused_unread(processes: Stack, name: str, unmoved: None) -> None:
    with grpc.insecure_channel(processes.address(name), [("grpc.max_send_message_length", -1)]) as channel:
        call: Any = channel.unary_unary(_LIST)
        for metadata, raw in (
            ([("x-word", "y" * 500_000)], b""),
            ([(f"x-{number}", "y" * 100) for number in range(5_000)], b""),
            ([], b"\x1a" + b"\x80" * 40_000_000),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(raw, metadata=metadata, timeout=20)
            code = caught.value.code()
            expected = {grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert code in expected | (set() if name == "resource" else {grpc.StatusCode.UNIMPLEMENTED}), code
