"""A place in a run's events: a claim and a number in it. No IO."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_LARGEST = 2**31 - 1
_FORM = re.compile(r"([1-9][0-9]{0,9})-([1-9][0-9]{0,9})")


class InvalidEventId(ValueError):
    """An event id that no server ever made."""


class Position(NamedTuple):
    """After the event `seq` of a claim; 0 is before its first. Positions compare in the order of events."""

    claim: int
    seq: int


START = Position(0, 0)


class Fit(Enum):
    """How a batch of events goes with a position."""

    NEXT = "next"
    """It goes on from the position, perhaps after events that lie before it."""
    SEEN = "seen"
    """It lies before the position, or belongs to an older claim."""
    HOLE = "hole"
    """Events of the same claim are missing before it."""
    NEWER = "newer"
    """It belongs to a newer claim."""


def event_id(position: Position) -> str:
    """The id of the event at a position; empty before the first one."""
    return f"{position.claim}-{position.seq}" if position.seq else ""


def parse(text: str) -> Position:
    """The position of an event id; "" is the start. Raises InvalidEventId."""
    if not text:
        return START
    form = _FORM.fullmatch(text)
    if form is None:
        raise InvalidEventId(text)
    position = Position(int(form[1]), int(form[2]))
    if max(position) > _LARGEST:
        raise InvalidEventId(text)
    return position


def fit(position: Position, claim: int, first_seq: int, last_seq: int) -> Fit:
    """How the events `first_seq` to `last_seq` of a claim go with a position."""
    if claim > position.claim:
        # Nothing can come before the first event of the first claim.
        return Fit.NEXT if (position, claim, first_seq) == (START, 1, 1) else Fit.NEWER
    if claim < position.claim or last_seq <= position.seq:
        return Fit.SEEN
    return Fit.NEXT if first_seq <= position.seq + 1 else Fit.HOLE


def derived_end(claim: int) -> Position:
    """Where the `finished` of a run lies that was not written by a worker; `claim` is the run's last one."""
    return Position(claim + 1, 1)
