"""Every method of the descriptors has a handler of that name, called through grpcio-testing.

grpcio-testing does not await async handlers, so an adapter runs each in a loop of its own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import grpc
import grpc_testing
import pytest
from google.protobuf.descriptor import ServiceDescriptor

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.resource.v1 import threads_pb2
from runwire.core.errors import Refusal
from runwire.core.identity import ANONYMOUS, identify
from runwire.dispatch.runs_servicer import RunsServicer
from runwire.dispatch.thread_state_servicer import ThreadStateServicer
from runwire.resource.threads_servicer import ThreadsServicer
from tests.contract.rpcs import Rpc, all_rpcs, services

_SERVICERS: dict[str, Any] = {
    "RunsService": RunsServicer,
    "ThreadsService": ThreadsServicer,
    "ThreadStateService": ThreadStateServicer,
}


class Untouched:
    """Stands for what a handler works with, which it must not get to."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def touched(*_: object, **__: object) -> Any:
            raise AssertionError(f"{name} was called")

        return touched


class Synchronous:
    """A servicer whose async methods are run to their end."""

    def __init__(self, servicer: Any) -> None:
        self._servicer = servicer

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        method = getattr(self._servicer, name)

        def call(request: Any, context: Any) -> Any:
            identify(ANONYMOUS)
            try:
                answer = method(request, context)
                return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer
            except Refusal as refusal:
                context.set_code(refusal.code)
            except NotImplementedError:
                context.set_code(grpc.StatusCode.UNIMPLEMENTED)

        return call


def _server(descriptor: ServiceDescriptor, servicer: Any) -> Any:
    time = grpc_testing.strict_real_time()
    return grpc_testing.server_from_dictionary({descriptor: Synchronous(servicer)}, time)


@pytest.mark.parametrize(
    ("request_", "service"),
    [
        (runs_pb2.CreateRunRequest(), "RunsService"),
        (runs_pb2.GetRunRequest(), "RunsService"),
        (runs_pb2.CancelRunRequest(), "RunsService"),
        (threads_pb2.GetThreadRequest(), "ThreadsService"),
        (threads_pb2.DeleteThreadRequest(), "ThreadsService"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_handler_refuses_an_empty_request_before_it_touches_anything(request_: Any, service: str) -> None:
    descriptor = next(found for _, found in services() if found.name == service)
    method = descriptor.methods_by_name[type(request_).__name__.removesuffix("Request")]
    kind = _SERVICERS[service]
    servicer = kind(*[Untouched()] * len(inspect.signature(kind).parameters))
    call = _server(descriptor, servicer).invoke_unary_unary(method, (), request_, 5)
    *_, code, _details = call.termination()
    assert code == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)
def test_requests_and_responses_belong_to_one_method_alone(rpc: Rpc) -> None:
    assert rpc.method.input_type.name == f"{rpc.name}Request"
    assert rpc.method.output_type.name == f"{rpc.name}Response"


def test_every_method_has_a_handler_of_its_name() -> None:
    for _, descriptor in services():
        servicer = _SERVICERS.get(descriptor.name)
        for method in descriptor.methods if servicer else ():
            assert callable(getattr(servicer, method.name))


def test_the_contract_has_its_services() -> None:
    assert len(list(services())) == 8
    assert len(all_rpcs()) == 46
