"""How calls reach the servers: waiting as asyncio does, or blocking the thread.

All of the client is written once, as coroutines that wait for a `Wire` and for nothing else. On `BlockingWire` these
never suspend, so that one step runs them to their end: that is the synchronous client (see `runwire.client.blocking`).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import grpc
import grpc.aio

from runwire.client.credentials import Token, headers
from runwire.client.errors import error_of

Request = TypeVar("Request")
Response = TypeVar("Response")

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Wire(ABC):
    """What a call goes through, with `metadata` and `token`. `timeout` (seconds) is for unary calls without one."""

    timeout: float | None = 30.0
    metadata: Metadata = field(default=(), repr=False)
    token: Token | None = field(default=None, repr=False)

    @abstractmethod
    async def unary(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: float | None = None,
    ) -> Response:
        """The answer. RunwireError when there is none."""

    @abstractmethod
    def stream(
        self, method: grpc.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response, None]:
        """The answers. Closing the generator ends the call."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Lets time pass."""


class AsyncWire(Wire):
    """For stubs on channels of grpc.aio."""

    async def unary(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: float | None = None,
    ) -> Response:
        """Awaits the answer."""
        metadata = self.metadata + await headers(self.token)
        call = cast(Any, method)(request, timeout=timeout or self.timeout, metadata=metadata)
        try:
            return cast(Response, await call)
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from error

    async def stream(
        self, method: grpc.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response, None]:
        """Awaits each answer."""
        call = cast(Any, method)(request, metadata=self.metadata + await headers(self.token))
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise error_of(error) from error
        finally:
            call.cancel()

    async def sleep(self, seconds: float) -> None:
        """Lets other tasks run meanwhile."""
        await asyncio.sleep(seconds)


class BlockingWire(Wire):
    """For stubs on channels of grpc. Nothing here ever suspends."""

    async def unary(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        timeout: float | None = None,
    ) -> Response:
        """Blocks until the answer is there."""
        metadata = self.metadata + await headers(self.token)
        try:
            return method(request, timeout=timeout or self.timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise error_of(error) from error

    async def stream(
        self, method: grpc.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response, None]:
        """Blocks until each answer is there."""
        call = method(request, metadata=self.metadata + await headers(self.token))
        try:
            for response in call:
                yield response
        except grpc.RpcError as error:
            raise error_of(error) from error
        finally:
            call.cancel()

    async def sleep(self, seconds: float) -> None:
        """Blocks."""
        time.sleep(seconds)  # noqa: ASYNC251
