"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Generator
from typing import Any, Generic, TypeVar

import grpc

from runwire.client.codec import items_of
from runwire.client.wire import Wire

T = TypeVar("T")

_PAGE_SIZE = 100


class Listing(AsyncIterable[T], Awaitable[list[T]], Generic[T]):
    """A list of any length: `async for` brings it page by page as it is needed, `await` all of it as a list."""

    def __init__(
        self,
        wire: Wire,
        method: grpc.UnaryUnaryMultiCallable[Any, Any],
        request: Any,
        *,
        limit: int | None,
        page_size: int = _PAGE_SIZE,
    ) -> None:
        """`limit` is how many are wanted in all; None: all there are."""
        self._wire = wire
        self._method = method
        self._request = request
        self._limit = limit
        self._page_size = page_size

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        request = type(self._request)()
        request.CopyFrom(self._request)
        left = self._limit
        while left is None or left > 0:
            request.page_size = self._page_size if left is None else min(left, self._page_size)
            page = await self._wire.unary(self._method, request)
            items = items_of(page)
            for item in items:
                yield item
            left = None if left is None else left - len(items)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return

    def __await__(self) -> Generator[Any, None, list[T]]:
        return self._all().__await__()

    async def _all(self) -> list[T]:
        return [item async for item in self]
