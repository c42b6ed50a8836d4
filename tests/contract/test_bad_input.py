"""Bad input to every RPC: each wrong field is named, nothing is written, nothing of the inside shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.contract.rpcs import Rpc, all_rpcs
from tests.contract.test_services import answered
from tests.harness.platform import Platform
from tests.harness.refused import refused
from tests.harness.waiting import until

_UUID = "01890a5d-ac96-774b-bcce-b302099a8057"
_JSON = "runwire.api.type.v1.Json"
_DURATION = "google.protobuf.Duration"
_INSIDES = ("asyncpg", "postgres", "Traceback", "redis", "SELECT", "syntax error", "Exception", "duplicate key", ".py")
_REFUSALS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}
_BAD_TEXTS = ("\0", "x" * 400_000)
# Some free texts may hold these; ids and tokens may not.
_BAD_IDS = ("\u2028 ../%00", "\U0001f600" * 200, "' OR 1=1 --")
_BAD_JSONS = ("", "{", "nul", '"\\u0000"', "[" * 200 + "]" * 200, "1e-99999", '{"a":NaN}')

Bad = tuple[str, Message]


def bad_requests(rpc: Rpc) -> Iterator[Bad]:
    """Requests with one field that is wrong, each with the field's name."""
    for field in rpc.method.input_type.fields:
        for value in _bad_values(field):
            request = rpc.request_class()
            _put(request, field, value)
            yield field.name, request


def _bad_values(field: FieldDescriptor) -> Iterator[Any]:
    if field.type == FieldDescriptor.TYPE_STRING:
        yield from _BAD_TEXTS
        if field.name.endswith(("_id", "_ids", "_token")):
            yield from _BAD_IDS
    elif field.type == FieldDescriptor.TYPE_ENUM:
        yield from (9999, -1)
    elif field.type == FieldDescriptor.TYPE_INT32:
        yield from (-1, -(2**31), 2**31 - 1)
    elif field.message_type is not None and field.message_type.full_name == _JSON:
        yield from _BAD_JSONS
    elif field.message_type is not None and field.message_type.full_name == _DURATION:
        yield from (-5, 10**12)


def _put(request: Message, field: FieldDescriptor, value: Any) -> None:
    if field.message_type is None:
        if _is_repeated(field):
            getattr(request, field.name).append(value)
        else:
            setattr(request, field.name, value)
        return
    inner = getattr(request, field.name)
    target = inner.add() if _is_repeated(field) else inner
    if field.message_type.full_name == _JSON:
        target.text = value
    else:
        target.seconds = value
    if not _is_repeated(field):
        inner.SetInParent()


def _is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _complete(request: Message) -> Message:
    """Gives what most requests need, so that only the bad field is bad."""
    defaults = {"run_id": _UUID, "thread_id": "a-thread", "assistant_id": "echo", "graph_id": "echo", "cron_id": "c"}
    for name, value in defaults.items():
        field = request.DESCRIPTOR.fields_by_name.get(name)
        if field is not None and not field.is_repeated and not getattr(request, name):
            setattr(request, name, value)
    return request


@pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)
async def test_each_bad_field_is_refused_by_name(contract: Platform, rpc: Rpc) -> None:
    before = await _rows(contract)
    for field, request in bad_requests(rpc):
        said = await answered(rpc, contract, _complete(request))
        if said is None:
            assert _may_pass(rpc, field, request), (field, str(request)[:100])
            continue
        assert said.code in _REFUSALS, (field, str(request)[:100], said)
        assert said.infos == 1
        assert not [word for word in _INSIDES if word.lower() in said.message.lower()], said.message
        if said.code == grpc.StatusCode.INVALID_ARGUMENT:
            assert any(name == field or name.startswith((f"{field}.", f"{field}[")) for name in said.violations), (
                field,
                str(request)[:100],
                said,
            )

    async def unchanged() -> bool:
        return await _rows(contract) == before

    await until(unchanged)


def _may_pass(rpc: Rpc, field: str, request: Message) -> bool:
    """Free texts take most of the bad ones; what reads may find nothing."""
    return rpc.name.startswith(("Get", "List", "Count", "Search")) and isinstance(getattr(request, field), str)


async def _rows(platform: Platform) -> dict[str, int]:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    names = [row[0] for row in await platform.pool.fetch(tables)]
    return {name: await platform.pool.fetchval(f'SELECT count(*) FROM "{name}"') for name in names}


async def test_all_violations_of_a_request_are_told_at_once(contract: Platform) -> None:
    request = runs_pb2.CreateRunRequest(
        run_id="not-a-uuid",
        thread_id="no spaces",
        input=Json(text="{"),
        metadata=Json(text="[]"),
        config=run_pb2.RunConfig(recursion_limit=0),
        stream_modes=[99, 0],  # type: ignore[list-item]
        durability=99,  # type: ignore[arg-type]
    )
    said = await refused(contract.runs.CreateRun(request))
    assert said.code == grpc.StatusCode.INVALID_ARGUMENT
    assert said.reason == "INVALID_REQUEST"
    assert said.violations.keys() >= {
        "run_id",
        "thread_id",
        "assistant_id",
        "input",
        "metadata",
        "config.recursion_limit",
        "stream_modes[0]",
        "stream_modes[1]",
        "durability",
    }


async def test_a_payload_beyond_the_limit_is_refused(contract: Platform) -> None:
    text = '"' + "x" * (16 * 1024 * 1024) + '"'
    said = await refused(contract.runs.CreateRun(runs_pb2.CreateRunRequest(assistant_id="echo", input=Json(text=text))))
    assert (said.code, said.violations) == (grpc.StatusCode.INVALID_ARGUMENT, {"input": "PAYLOAD_TOO_LARGE"})
