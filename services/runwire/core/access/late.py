"""Handlers that ask who calls once there is a connection to look at, and still before the request is parsed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from runwire.core.errors import Refusal
from runwire.core.interceptors import abort

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Admit: TypeAlias = Callable[[Context], None]
"""Says who calls, or raises a Refusal."""


def by_certificate(handler: Any, admit: Admit) -> Any:
    """The handler, for callers that are admitted."""
    if handler is None:
        return None
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(
            _stream(handler.stream_stream, admit, _as_it_is), handler.request_deserializer, handler.response_serializer
        )
    parse = handler.request_deserializer or _as_it_is
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(
            _stream(handler.unary_stream, admit, parse), None, handler.response_serializer
        )
    return grpc.unary_unary_rpc_method_handler(
        _unary(handler.unary_unary, admit, parse), None, handler.response_serializer
    )


def _unary(inner: Any, admit: Admit, parse: Callable[[Any], Any]) -> Any:
    async def call(request: Any, context: Context) -> Any:
        await _ask(admit, context)
        return await inner(parse(request), context)

    return call


def _stream(inner: Any, admit: Admit, parse: Callable[[Any], Any]) -> Any:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        await _ask(admit, context)
        async for answer in inner(parse(request), context):
            yield answer

    return call


async def _ask(admit: Admit, context: Context) -> None:
    try:
        admit(context)
    except Refusal as refusal:
        await abort(context, refusal)


def _as_it_is(request: Any) -> Any:
    return request
