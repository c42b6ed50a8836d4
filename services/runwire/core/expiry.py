"""How long threads and items live where their creator does not say: the `ttl` settings of a langgraph.json.

The file is read, the graphs that it names are not imported, so that every process may ask.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

LONGEST = timedelta(days=3650)
SHORTEST = timedelta(minutes=1)

_LONGEST_MINUTES = LONGEST / timedelta(minutes=1)


class InvalidExpiry(Exception):
    """The `ttl` settings of a langgraph.json can't be used. The text says what is wrong."""


class _Ttl(BaseModel):
    """Times are in minutes, as the file has them. What Runwire does not know is left to others."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    default_ttl: float | None = Field(default=None, gt=0, le=_LONGEST_MINUTES)
    sweep_interval_minutes: float | None = Field(default=None, gt=0, le=_LONGEST_MINUTES)

    @property
    def duration(self) -> timedelta | None:
        """The default time to live; None: for ever."""
        return None if self.default_ttl is None else timedelta(minutes=self.default_ttl)

    def sweep_interval(self, otherwise: timedelta) -> timedelta:
        """How long between two looks for what has expired."""
        minutes = self.sweep_interval_minutes
        return otherwise if minutes is None else timedelta(minutes=minutes)


class ThreadExpiry(_Ttl):
    """`checkpointer.ttl`: for threads."""

    strategy: Literal["delete", "keep_latest"] = "delete"

    @property
    def life(self) -> tuple[str | None, timedelta | None]:
        """What a new thread's row says of its time to live."""
        return (None, None) if self.duration is None else (self.strategy, self.duration)


FOR_EVER = ThreadExpiry()


class ItemExpiry(_Ttl):
    """`store.ttl`: for items."""

    refresh_on_read: bool = True


class Expiry(BaseModel):
    """The settings of both."""

    model_config = ConfigDict(frozen=True)

    threads: ThreadExpiry = ThreadExpiry()
    items: ItemExpiry = ItemExpiry()

    @classmethod
    def read(cls, path: Path) -> Expiry:
        """The settings in a langgraph.json; without the file, none. Raises InvalidExpiry."""
        if not path.is_file():
            return cls()
        try:
            content = orjson.loads(path.read_bytes())
            return cls.model_validate({"threads": _ttl(content, "checkpointer"), "items": _ttl(content, "store")})
        except (orjson.JSONDecodeError, AttributeError) as error:
            raise InvalidExpiry(f"{path} is not a langgraph.json: {error}.") from error
        except ValidationError as error:
            raise InvalidExpiry(f"The times to live in {path} are not valid: {_words(error)}.") from error


def _ttl(content: Any, part: str) -> Any:
    return (content.get(part) or {}).get("ttl") or {}


def _words(error: ValidationError) -> str:
    names = {"threads": "checkpointer.ttl", "items": "store.ttl"}
    return "; ".join(
        ".".join([names[str(found["loc"][0])], *map(str, found["loc"][1:])]) + f": {found['msg']}"
        for found in error.errors()
    )
