"""Creating something twice: the same request is the same thing, another request with its id is refused."""

from __future__ import annotations

import hashlib

import asyncpg
from google.protobuf.message import Message

from runwire.core.errors import IdReused


def digest(request: Message) -> bytes:
    """Tells a repeated request from another one with the same id."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def check_same(row: asyncpg.Record, named: str, *, keep: bool) -> None:
    """Raises IdReused if what exists was made by another request, unless it is to be kept."""
    if not keep and not row["same_request"]:
        raise IdReused(id=named)
