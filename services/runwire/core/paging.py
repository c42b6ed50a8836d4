"""Keyset page tokens: the place after the last row, bound to the request that made it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from google.protobuf.message import Message

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

_VERSION = 1


class InvalidPageToken(ValueError):
    """A token that this server never made."""


class PageTokenMismatch(ValueError):
    """A token of a list with other filters or another order."""


@dataclass(frozen=True, slots=True)
class Place:
    """A row's place in a list: what it is sorted by, and its id."""

    key: datetime | str | int
    row_id: str


def binding(request: Message, *, apart_from: Sequence[str] = ("page_token", "page_size")) -> str:
    """Names what a list depends on: all of the request but the page itself."""
    bare = type(request)()
    bare.CopyFrom(request)
    for field in apart_from:
        bare.ClearField(field)
    return hashlib.blake2b(bare.SerializeToString(deterministic=True), digest_size=8).hexdigest()


def encode(place: Place, bound_to: str) -> str:
    """The token of the page after `place`."""
    key = ["t", place.key.astimezone(UTC).isoformat()] if isinstance(place.key, datetime) else ["v", place.key]
    raw = orjson.dumps([_VERSION, bound_to, *key, place.row_id])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(token: str, bound_to: str) -> Place:
    """The place in a token. Raises InvalidPageToken or PageTokenMismatch."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        version, bound, kind, key, row_id = orjson.loads(raw)
        if version != _VERSION or not isinstance(row_id, str) or not isinstance(key, str | int):
            raise ValueError(version)
        if "\0" in row_id or "\0" in str(key):
            raise ValueError(row_id)
        place = Place(datetime.fromisoformat(str(key)).astimezone(UTC) if kind == "t" else key, row_id)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidPageToken(token) from error
    if bound != bound_to:
        raise PageTokenMismatch(token)
    return place
