"""Rows that a list and a count find by their metadata: assistants, threads and crons."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.scenarios.scenario import Listing, ask, json_of, unique
from tests.harness.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One kind of row: its messages, the list's field, the field of a row's id, and what makes a row."""

    listing: Callable[..., Any]
    counting: Callable[..., Any]
    where: Callable[..., Any]
    rows: str
    row_id: str
    make: Callable[..., Awaitable[Any]]

    async def _made(self, platform: Platform, count: int) -> tuple[list[Any], Any]:
        """So many rows, and the filter that finds them and no others."""
        mark = json_of(json.dumps({"mark": unique()}))
        return [await self.make(platform, metadata=mark) for _ in range(count)], self.where(metadata_contains=mark)

    async def lists(self, platform: Platform) -> Any:
        """A list shows a row as it was made."""
        made, where = await self._made(platform, 1)
        response = await ask(platform, self.listing(filter=where))
        assert list(getattr(response, self.rows)) == made
        return response

    async def counts(self, platform: Platform) -> Any:
        """A count counts what the filter finds."""
        _, where = await self._made(platform, 3)
        response = await ask(platform, self.counting(filter=where))
        assert response.count == 3
        return response

    async def many(self, platform: Platform) -> Listing:
        """The newest comes first."""
        made, where = await self._made(platform, 5)
        return Listing(
            request=self.listing(filter=where),
            rows=self.rows,
            name=self._id_of,
            expected=[self._id_of(row) for row in reversed(made)],
            other=self.listing(),
        )

    def _id_of(self, row: Any) -> str:
        return str(getattr(row, self.row_id))
