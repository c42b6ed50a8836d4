"""Files that say who may do what, in force as soon as they change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from runwire.core.access import AccessError

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Reread(Generic[T]):
    """What a file says, read again when it has changed.

    A change that can't be used is logged once, and what was read before stays in force: somebody in the middle of an
    edit must not lock everybody out.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        """`parse` raises ValueError, with a text that shows nothing secret. AccessError when the file can't be used."""
        self._path = path
        self._parse = parse
        try:
            self._stamp = self._look()
            self._value = parse(path.read_bytes())
        except OSError as error:
            raise AccessError(f"{path} can't be read: {error.strerror}.") from error
        except ValueError as error:
            raise AccessError(f"{path} can't be used: {error}.") from error

    def value(self) -> T:
        """What the file says now."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._value = self._parse(self._path.read_bytes())
            except (OSError, ValueError) as error:
                _log.error(
                    "a changed file can't be used, what it said before stays in force",
                    extra={"action": "access_file_invalid", "file": str(self._path), "error": str(error)},
                )
        return self._value

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino
