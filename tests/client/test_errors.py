"""Refusals as exceptions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import Help
from google.rpc.status_pb2 import Status

from runwire.client import Client, RunwireError, connect, errors
from runwire.client.errors import error_of
from runwire.core.errors import DatabaseUnavailable, InvalidRequest, Refusal, RunNotFound, Violation, to_status


class Failure(grpc.RpcError):
    """A failed call with a status of ours."""

    def __init__(self, code: grpc.StatusCode, status: bytes) -> None:
        self._code, self._status = code, status

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "text"

    def trailing_metadata(self) -> Any:
        return [("other", "x"), ("grpc-status-details-bin", self._status)]


def read(refusal: Refusal) -> RunwireError:
    return error_of(Failure(refusal.code, to_status(refusal).SerializeToString()))


def test_a_refusal_has_its_reason_and_its_metadata() -> None:
    error = read(RunNotFound(run_id="r1"))
    assert isinstance(error, errors.NotFound)
    assert (error.code, error.reason, error.metadata) == (
        grpc.StatusCode.NOT_FOUND,
        "RUN_NOT_FOUND",
        {"run_id": "r1"},
    )


def test_a_refusal_says_when_to_come_back() -> None:
    error = read(DatabaseUnavailable())
    assert isinstance(error, errors.Unavailable)
    assert error.retry_after == timedelta(seconds=1)


def test_all_violations_are_read() -> None:
    wrong = [Violation("a", "FIELD_REQUIRED", "caf\u00e9"), Violation("b[1]", "FIELD_INVALID", "")]
    error = read(InvalidRequest(wrong))
    assert error.violations == (
        errors.Violation("a", "FIELD_REQUIRED", "caf\u00e9"),
        errors.Violation("b[1]", "FIELD_INVALID", ""),
    )


def test_every_code_has_a_class_of_its_own() -> None:
    codes = set(grpc.StatusCode) - {grpc.StatusCode.OK}
    assert {type(error_of(Failure(code, b""))).code for code in codes} == codes


def test_details_of_others_are_passed_over() -> None:
    packed = AnyMessage()
    packed.Pack(Help())
    status = Status(code=5, details=[packed])
    error = error_of(Failure(grpc.StatusCode.NOT_FOUND, status.SerializeToString()))
    assert (error.reason, error.metadata, error.violations) == ("", {}, ())


def test_broken_details_do_not_hide_the_error() -> None:
    assert str(error_of(Failure(grpc.StatusCode.NOT_FOUND, b"\xff\xff\xff"))) == "text"


async def test_a_server_names_all_wrong_fields(client: Client) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await client.runs.create("not an id", "", input={}, run_id="no uuid")
    assert {each.field for each in caught.value.violations} == {"thread_id", "assistant_id", "run_id"}
    assert caught.value.reason == "INVALID_REQUEST"


async def test_a_run_that_does_not_exist_is_not_found(client: Client) -> None:
    run_id = str(uuid4())
    for call in (client.runs.get(run_id), client.runs.join(run_id)):
        with pytest.raises(errors.NotFound) as caught:
            await call
        assert caught.value.metadata == {"run_id": run_id}


async def test_a_stream_of_a_run_that_does_not_exist_is_not_found(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        await anext(client.runs.join_stream(str(uuid4())))


async def test_a_server_that_is_away_is_a_time_out() -> None:
    async with connect("127.0.0.1:1", timeout=0.2) as client:
        with pytest.raises(TimeoutError):
            await client.runs.get(str(uuid4()))
