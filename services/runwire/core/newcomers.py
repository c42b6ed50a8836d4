"""Tenants that have not been heard of: before their first call is served they get their default assistants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from runwire.core.identity import tenant_of
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import Pool
from runwire.core.sql import load

_SQL = load(__file__)

Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]


class Newcomers(grpc.aio.ServerInterceptor):
    """Comes inside of Refusals, which says what it raises. One statement for each tenant and process."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known = {DEFAULT_TENANT}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handlers of our methods."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith("/runwire."):
            return handler
        codecs = handler.request_deserializer, handler.response_serializer
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._stream(handler.unary_stream), *codecs)
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary), *codecs)

    def _unary(self, inner: Handler) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            await self._welcome(tenant_of(context))
            return await inner(request, context)

        return call

    def _stream(self, inner: Handler) -> Handler:
        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            await self._welcome(tenant_of(context))
            async for answer in inner(request, context):
                yield answer

        return call

    async def _welcome(self, tenant: str) -> None:
        if tenant not in self._known:
            await self._pool.execute(_SQL["welcome"], tenant)
            self._known.add(tenant)
