"""What happens around every call: refusals become statuses, drivers' words stay inside, unary calls have a deadline."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from runwire.core import postgres
from runwire.core.errors import (
    Bug,
    DatabaseUnavailable,
    DeadlineExceeded,
    MalformedMessage,
    NotServed,
    Refusal,
    to_status,
)

_log = logging.getLogger(__name__)

Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


def refusal_of(error: BaseException, method: str) -> Refusal:
    """What the caller is told about any exception of a handler. The exception itself goes to the log only."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, NotImplementedError):
        return NotServed(method=method)
    if postgres.is_transient(error):
        _log.warning("postgres can't be reached", extra={"action": "database_unavailable", "method": method})
        return DatabaseUnavailable()
    error_id = str(uuid4())
    _log.error("bug", exc_info=error, extra={"action": "bug", "method": method, "error_id": error_id})
    return Bug(error_id=error_id)


class Refusals(grpc.aio.ServerInterceptor):
    """Gives every failed call one status with its details, and every unary call an end."""

    def __init__(self, call_timeout: float, patient: Collection[str] = ()) -> None:
        """`call_timeout` seconds end a unary call without a deadline, unless its full method name is in `patient`."""
        self._call_timeout = call_timeout
        self._patient = patient

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the method's handler; methods that are not ours (health, reflection) are left alone."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not method.startswith("/runwire."):
            return handler
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(_parsing(handler.unary_stream, handler.request_deserializer), method),
                response_serializer=handler.response_serializer,
            )
        return grpc.unary_unary_rpc_method_handler(
            self._unary(_parsing(handler.unary_unary, handler.request_deserializer), method),
            response_serializer=handler.response_serializer,
        )

    def _unary(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            began = time.perf_counter()
            # A client's deadline cancels the call by itself.
            unlimited = context.time_remaining() is not None or method in self._patient
            limit = asyncio.timeout(None if unlimited else self._call_timeout)
            try:
                async with limit:
                    answer = inner(request, context)
                    return await answer if inspect.isawaitable(answer) else answer
            except Exception as error:
                await abort(context, DeadlineExceeded() if limit.expired() else refusal_of(error, method))
            finally:
                _access(method, context, began)

        return call

    def _stream(self, inner: Handler, method: str) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            began = time.perf_counter()
            try:
                async for answer in inner(request, context):
                    yield answer
            except Exception as error:
                await abort(context, refusal_of(error, method))
            finally:
                _access(method, context, began)

        return call


def refusing(refusal: Refusal) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler for any method that refuses each call, and has gRPC read none of its request."""

    async def refuse(requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[bytes]:
        del requests
        await abort(context, refusal)
        yield b""

    return grpc.stream_stream_rpc_method_handler(refuse)


def _parsing(inner: Handler, parse: Callable[[bytes], Any]) -> Handler:
    """A handler that takes bytes. Left to gRPC, bytes that can't be parsed would end in its own words."""

    def call(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            request = parse(raw)
        except DecodeError:
            raise MalformedMessage from None
        return inner(request, context)

    return call


async def abort(context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> None:
    """Ends the call with the refusal."""
    await context.abort_with_status(rpc_status.to_status(to_status(refusal)))


def _access(method: str, context: grpc.aio.ServicerContext[Any, Any], began: float) -> None:
    if _log.isEnabledFor(logging.DEBUG):
        took = round((time.perf_counter() - began) * 1000, 2)
        _log.debug("call", extra={"action": "call", "method": method, "ms": took, "code": str(context.code())})
