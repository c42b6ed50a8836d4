"""Lists in keyset pages: which rows, in which order, from which place on, how many fit into one answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import asyncpg
from google.protobuf.message import Message

from runwire.core.paging import Place, encode
from runwire.core.postgres import Pool

M = TypeVar("M", bound=Message)

# A page may have fewer rows than asked for. With this limit it fits into the 4 MiB that gRPC clients take by
# default; a row that is larger makes a page of its own.
_PAGE_BYTES = 3 * 1024 * 1024
_ROWS_AT_ONCE = 25

_PARAMETER = re.compile(r"\$(\d+)")


class Conditions:
    """What all rows of a list must fulfil: texts in SQL, each with its own parameters."""

    def __init__(self, *arguments: object) -> None:
        """`arguments` are those that the statement itself calls $1, $2, ..."""
        self.arguments: list[Any] = list(arguments)
        self._texts: list[str] = []

    def add(self, text: str, *arguments: object) -> None:
        """Adds a condition that calls its arguments $1, $2, ..."""
        before = len(self.arguments)
        self._texts.append(_PARAMETER.sub(lambda found: f"${int(found[1]) + before}", text))
        self.arguments.extend(arguments)

    def __str__(self) -> str:
        return "\nAND ".join(f"({text}\n)" for text in self._texts) or "true"


class Ordering(Protocol):
    """A total order of a list's rows; its text stands behind ORDER BY."""

    def after(self, place: Place, conditions: Conditions) -> None:
        """Leaves only the rows behind a place."""

    def place_of(self, row: asyncpg.Record) -> Place:
        """Where a row is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By one column, then by the id. Both are selected by the statement and named with a table."""

    column: str
    id_column: str
    descending: bool

    def after(self, place: Place, conditions: Conditions) -> None:
        """Leaves only the rows behind a place."""
        beyond = "<" if self.descending else ">"
        conditions.add(f"({self.column}, {self.id_column}) {beyond} ($1, $2)", place.key, place.row_id)

    def place_of(self, row: asyncpg.Record) -> Place:
        """Where a row is."""
        return Place(row[_bare(self.column)], row[_bare(self.id_column)])

    def __str__(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return f"{self.column} {direction}, {self.id_column} {direction}"


def _bare(column: str) -> str:
    return column.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which page is asked for. `bound_to` is what its token is tied to, see runwire.core.paging."""

    size: int
    after: Place | None
    bound_to: str


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """The messages of a page and the token of the next one; empty: there is none."""

    messages: list[M]
    next_page_token: str = ""


async def read_page(
    pool: Pool,
    statement: str,
    conditions: Conditions,
    order: Ordering,
    request: PageRequest,
    convert: Callable[[asyncpg.Record], M],
) -> Page[M]:
    """Reads one page of a statement with places for {conditions}, {order} and {limit}."""
    if request.after is not None:
        order.after(request.after, conditions)
    text = statement.format(conditions=conditions, order=order, limit=f"${len(conditions.arguments) + 1}")
    messages: list[M] = []
    last: Place | None = None
    room = _PAGE_BYTES
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        rows = connection.cursor(text, *conditions.arguments, request.size + 1, prefetch=_ROWS_AT_ONCE)
        async for row in rows:
            message = convert(row)
            room -= message.ByteSize()
            if last is not None and (len(messages) == request.size or room < 0):
                return Page(messages, encode(last, request.bound_to))
            messages.append(message)
            last = order.place_of(row)
    return Page(messages)


async def count_rows(pool: Pool, statement: str, conditions: Conditions) -> int:
    """Counts by a statement with a place for {conditions}."""
    return int(await pool.fetchval(statement.format(conditions=conditions), *conditions.arguments))
