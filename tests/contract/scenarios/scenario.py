"""What a scenario is, and how requests are sent to the RPC that they are of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import uuid4

from google.protobuf.message import Message

from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import Platform

ABSENT = "01890a5d-ac96-774b-bcce-b302099a8057"
"""An id that nothing has."""

YEARLY = "0 0 1 1 *"
"""A schedule that does not tick while tests run, but at the turn of a year."""

_CALL_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Provoked:
    """A request that is refused: the metadata of ErrorInfo, the fields that BadRequest names.

    `call`, where it is given, has been sent already.
    """

    request: Message
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    call: Awaitable[object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list of more rows than a page has: `expected` names all in order, `other` asks with another filter."""

    request: Any
    rows: str
    name: Callable[[Any], str]
    expected: Sequence[str]
    other: Any


Success: TypeAlias = Callable[[Platform], Awaitable[Message]]
Successes: TypeAlias = Mapping[str, Success]
Errors: TypeAlias = Mapping[tuple[str, str], Provoked | Callable[[Platform], Awaitable[Provoked]]]
Listings: TypeAlias = Mapping[str, Callable[[Platform], Awaitable[Listing]]]


def refused(request: Message, **metadata: str) -> Provoked:
    """A request, and what ErrorInfo's metadata says of it."""
    return Provoked(request, metadata)


def wrong(request: Message, *fields: str) -> Provoked:
    """A request, and the fields that are wrong in it."""
    return Provoked(request, fields=frozenset(fields))


def json_of(text: str) -> Json:
    """A Json."""
    return Json(text=text)


def unique() -> str:
    """An id, a name or a label that nothing else has."""
    return str(uuid4())


def rpc_of(message: Message) -> str:
    """The RPC that a request or a response belongs to: messages are named after theirs."""
    return str(message.DESCRIPTOR.name).removesuffix("Request").removesuffix("Response")


async def ask(platform: Platform, request: Message) -> Any:
    """The (first) answer to a request, without a deadline of the call's own. Raises AioRpcError."""
    name = rpc_of(request)
    services = (
        platform.assistants,
        platform.threads,
        platform.store,
        platform.runs,
        platform.thread_state,
        platform.crons,
        platform.workers,
        platform.stream,
    )
    method = next(getattr(stub, name) for stub in services if hasattr(stub, name))
    async with asyncio.timeout(_CALL_SECONDS):
        call = method(request)
        if not hasattr(call, "read"):
            return await call
        try:
            return await call.read()
        finally:
            call.cancel()
