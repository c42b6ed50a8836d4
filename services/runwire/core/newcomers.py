"""Tenants that have not been heard of: before their first call is served they get their default assistants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from runwire.core.identity import callers_tenant
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.interceptors import Context, guarded, is_ours
from runwire.core.postgres import Pool
from runwire.core.sql import load

_SQL = load(__file__)
_REMEMBERED = 100_000


class Newcomers(grpc.aio.ServerInterceptor):
    """Comes inside of Refusals, which says what it raises. One statement for each tenant and process, or a few."""

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
        if handler is None or not is_ours(handler_call_details.method):
            return handler
        return guarded(handler, self._welcome)

    @asynccontextmanager
    async def _welcome(self, request: object, context: Context) -> AsyncIterator[None]:
        del request
        tenant = callers_tenant()
        if tenant not in self._known:
            await self._pool.execute(_SQL["welcome"], tenant)
            if len(self._known) >= _REMEMBERED:
                self._known = {DEFAULT_TENANT}
            self._known.add(tenant)
        yield
