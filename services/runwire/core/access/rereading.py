"""Files that say who is who, in force as soon as they change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from runwire.core.access import AccessError

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Reread(Generic[T]):
    """What some files say together, read again when one of them has changed.

    A change that can't be used is logged once, and what was read before stays in force: somebody in the middle of an
    edit must not lock everybody out.
    """

    def __init__(self, read: Callable[..., T], *paths: Path) -> None:
        """`read` takes the content of each file and raises ValueError, with a text that shows nothing secret.

        AccessError when the files can't be used.
        """
        self._read = read
        self._paths = paths
        self._stamps = self._look()
        try:
            self._value = self._now()
        except ValueError as error:
            raise AccessError(f"{error}.") from None

    def value(self) -> T:
        """What the files say now."""
        stamps = self._look()
        if stamps != self._stamps:
            self._stamps = stamps
            try:
                self._value = self._now()
            except ValueError as error:
                _log.error(
                    "a changed file can't be used, what it said before stays in force",
                    extra={"action": "access_file_invalid", "error": str(error)},
                )
        return self._value

    def _now(self) -> T:
        try:
            contents = [path.read_bytes() for path in self._paths]
        except OSError as error:
            raise ValueError(f"{error.filename} can't be read: {error.strerror}") from None
        try:
            return self._read(*contents)
        except ValueError as error:
            raise ValueError(f"{', '.join(map(str, self._paths))} can't be used: {error}") from None

    def _look(self) -> list[tuple[int, ...]]:
        return [_stamp(path) for path in self._paths]


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    # A tool that keeps dates, such as cp -p, can't keep this one.
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino
