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
    """The handler, for callers that are admitted. Those of our methods take bytes here."""
    if handler is None:
        return None
    codecs = handler.request_deserializer, handler.response_serializer
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler(_stream(handler.stream_stream, admit), *codecs)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(_stream(handler.unary_stream, admit), *codecs)
    return grpc.unary_unary_rpc_method_handler(_unary(handler.unary_unary, admit), *codecs)


def _unary(inner: Any, admit: Admit) -> Any:
    async def call(request: Any, context: Context) -> Any:
        await _ask(admit, context)
        return await inner(request, context)

    return call


def _stream(inner: Any, admit: Admit) -> Any:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        await _ask(admit, context)
        async for answer in inner(request, context):
            yield answer

    return call


async def _ask(admit: Admit, context: Context) -> None:
    try:
        admit(context)
    except Refusal as refusal:
        await abort(context, refusal)
