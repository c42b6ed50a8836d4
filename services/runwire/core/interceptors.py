"""What happens around every call: refusals become statuses, drivers' words stay inside, unary calls have a deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias
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

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = Callable[[Any, Context], Any]
Guard: TypeAlias = Callable[[Any, Context], AbstractAsyncContextManager[None]]
"""Is entered with a call's request before its handler runs, and left when the call is over."""

_OURS = "/runwire."


def is_ours(method: str) -> bool:
    """Whether a method, by its path, is one of the contract. Others (health, reflection) are left alone."""
    return method.startswith(_OURS)


def guarded(handler: Any, guard: Guard) -> Any:
    """The handler with the guard around each of its calls."""
    codecs = handler.request_deserializer, handler.response_serializer
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, guard), *codecs)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_stream(handler.unary_stream, guard), *codecs)
    return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, guard), *codecs)


def _unary(inner: Handler, guard: Guard) -> Handler:
    async def call(request: Any, context: Context) -> Any:
        async with guard(request, context):
            return await inner(request, context)

    return call


def _stream(inner: Handler, guard: Guard) -> Handler:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        async with guard(request, context):
            async for answer in inner(request, context):
                yield answer

    return call


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
        """Wraps the handlers of our methods."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or not is_ours(method):
            return handler
        stays_open = handler.response_streaming or method in self._patient
        return guarded(_parsing(handler), partial(self._refusing, method, None if stays_open else self._call_timeout))

    @asynccontextmanager
    async def _refusing(
        self, method: str, timeout: float | None, request: bytes, context: Context
    ) -> AsyncIterator[None]:
        del request
        began = time.perf_counter()
        # A client's deadline cancels the call by itself.
        limit = asyncio.timeout(timeout if context.time_remaining() is None else None)
        try:
            async with limit:
                yield
        except Exception as error:
            await abort(context, DeadlineExceeded() if limit.expired() else refusal_of(error, method))
        finally:
            _access(method, context, began)


def refusing(refusal: Refusal) -> grpc.RpcMethodHandler[Any, Any]:
    """A handler for any method that refuses each call, and has gRPC read none of its request."""

    async def refuse(requests: object, context: Context) -> AsyncIterator[bytes]:
        del requests
        await abort(context, refusal)
        yield b""

    return grpc.stream_stream_rpc_method_handler(refuse)


def _parsing(handler: Any) -> Any:
    """The handler for bytes. Left to gRPC, bytes that can't be parsed would end in its own words."""
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _parsed(handler.unary_stream, handler.request_deserializer), response_serializer=handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        _parsed(handler.unary_unary, handler.request_deserializer), response_serializer=handler.response_serializer
    )


def _parsed(inner: Handler, parse: Callable[[bytes], Any]) -> Handler:
    def call(raw: bytes, context: Context) -> Any:
        try:
            request = parse(raw)
        except DecodeError:
            raise MalformedMessage from None
        return inner(request, context)

    return call


async def abort(context: Context, refusal: Refusal) -> None:
    """Ends the call with the refusal."""
    await context.abort_with_status(rpc_status.to_status(to_status(refusal)))


def _access(method: str, context: Context, began: float) -> None:
    if _log.isEnabledFor(logging.DEBUG):
        took = round((time.perf_counter() - began) * 1000, 2)
        _log.debug("call", extra={"action": "call", "method": method, "ms": took, "code": str(context.code())})
