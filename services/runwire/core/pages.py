"""Pages of lists, read off a statement: as many rows as were asked for and fit into one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import asyncpg
from google.protobuf.message import Message

from runwire.core.paging import Place, encode
from runwire.core.postgres import Pool

M = TypeVar("M", bound=Message)

PAGE_BYTES = 3 * 1024 * 1024
"""A page may have fewer rows than asked for: with this limit it fits into the 4 MiB that gRPC clients take by default.

A row that is larger makes a page of its own.
"""

_ROWS_AT_ONCE = 25


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The messages of a page and the token of the next one; empty: there is none."""

    messages: list[M]
    next_page_token: str = ""


async def read(
    pool: Pool,
    statement: str,
    arguments: Sequence[Any],
    *,
    size: int,
    bound_to: str,
    convert: Callable[[asyncpg.Record], M],
    place_of: Callable[[asyncpg.Record], Place],
) -> Page[M]:
    """The statement brings one row more than `size`, where there is one. `bound_to`: see runwire.core.paging."""
    messages: list[M] = []
    last: Place | None = None
    room = PAGE_BYTES
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        async for row in connection.cursor(statement, *arguments, prefetch=_ROWS_AT_ONCE):
            message = convert(row)
            room -= message.ByteSize()
            if last is not None and (len(messages) == size or room < 0):
                return Page(messages, encode(last, bound_to))
            messages.append(message)
            last = place_of(row)
    return Page(messages)
