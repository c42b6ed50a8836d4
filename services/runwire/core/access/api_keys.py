"""API keys: a file with their hashes, and who each of them is.

A key is `rw_<id>_<secret>`. The id finds the line and may be shown; the secret has 256 random bits, so that a plain
SHA-256 of the key is as good as a slow hash would be.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import AwareDatetime, Field

from runwire.core.access.grants import Grant, read_lines
from runwire.core.access.rereading import Reread
from runwire.core.identity import Identity

PREFIX = "rw_"
"""How a key begins, which tells it from other bearer tokens."""

_NOBODY = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


class KeyLine(Grant):
    """One key of the file."""

    id: str = Field(pattern="^[0-9a-f]{8,32}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", repr=False)
    expires: AwareDatetime | None = None


class ApiKeys:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """AccessError when the file can't be used."""
        self._file = Reread(_by_id, path)

    def identity(self, key: str) -> Identity | None:
        """Whose key it is. None: nobody's, or it has expired."""
        line = self._file.value().get(key.removeprefix(PREFIX).partition("_")[0])
        is_right = hmac.compare_digest(_hash(key), line.sha256 if line else _NOBODY)
        if line is None or not is_right or (line.expires and line.expires <= datetime.now(UTC)):
            return None
        return line.identity()


def new_key(tenant: str, subject: str, scopes: Sequence[str], expires: datetime | None) -> tuple[str, KeyLine]:
    """A key, which is stored nowhere, and its line of the file. ValueError when an argument is not valid."""
    identifier = secrets.token_hex(6)
    key = f"{PREFIX}{identifier}_{secrets.token_urlsafe(32)}"
    line = KeyLine(
        id=identifier, sha256=_hash(key), tenant=tenant, subject=subject, scopes=tuple(scopes), expires=expires
    )
    return key, line


def add_line(path: Path, line: KeyLine) -> None:
    """Appends the line to the file, which is made for its owner alone when there is none."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a+b") as file:
        # An editor may have left the last line without its end.
        file.seek(max(0, file.tell() - 1))
        end = b"" if file.read() in (b"", b"\n") else b"\n"
        file.write(end + line.model_dump_json(exclude_none=True).encode() + b"\n")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _by_id(raw: bytes) -> Mapping[str, KeyLine]:
    lines = read_lines(KeyLine, raw)
    found = {line.id: line for line in lines}
    if len(found) < len(lines):
        raise ValueError("two lines have the same id")
    return found
