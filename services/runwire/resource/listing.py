"""Lists in keyset pages: which rows, in which order, from which place on, how many fit into one answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import asyncpg
from google.protobuf.message import Message

from runwire.core import pages
from runwire.core.pages import Page
from runwire.core.paging import Place
from runwire.core.postgres import Pool

M = TypeVar("M", bound=Message)

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
    return await pages.read(
        pool,
        text,
        [*conditions.arguments, request.size + 1],
        size=request.size,
        bound_to=request.bound_to,
        convert=convert,
        place_of=order.place_of,
    )


async def count_rows(pool: Pool, statement: str, conditions: Conditions) -> int:
    """Counts by a statement with a place for {conditions}."""
    return int(await pool.fetchval(statement.format(conditions=conditions), *conditions.arguments))
