"""A place in the events of a thread: a run, a place in it, and when the run began. No IO.

Runs of a thread never run at the same time, so the moment in which a run began tells which runs came before it, also
after the run was removed. A run that ended before it began counts by its end.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from runwire.stream import position
from runwire.stream.position import InvalidEventId, Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The year 9999.
_LARGEST = 253_402_300_799_999_999
_FORM = re.compile(r"(?:([0-9a-f-]{36}):([0-9]+-[0-9]+):)?(0|[1-9][0-9]{0,17})(:end)?")


class ThreadPosition(NamedTuple):
    """After the event `inside` of a run that began at `began_at`; with `ended`, after all of that run.

    Without a run: after all runs that began up to `began_at`.
    """

    began_at: datetime
    run_id: UUID | None = None
    inside: Position = position.START
    ended: bool = False


def moment_id(moment: datetime) -> str:
    """The event id that stands for a moment in which nothing had happened yet."""
    return str((moment - _EPOCH) // _MICROSECOND)


def event_id(run_id: UUID, event_id: str, began_at: datetime, *, is_last: bool) -> str:
    """The id in a thread's stream of an event with the id `event_id` in a run's; `is_last`: it is `finished`."""
    return f"{run_id}:{event_id}:{moment_id(began_at)}{':end' if is_last else ''}"


def text(place: ThreadPosition) -> str:
    """The event id of a place."""
    if place.run_id is None:
        return moment_id(place.began_at)
    return event_id(place.run_id, position.event_id(place.inside), place.began_at, is_last=place.ended)


def parse(text: str) -> ThreadPosition | None:
    """The place of an event id; "" is none. Raises InvalidEventId."""
    if not text:
        return None
    form = _FORM.fullmatch(text)
    if form is None or int(form[3]) > _LARGEST:
        raise InvalidEventId(text)
    began_at = _EPOCH + int(form[3]) * _MICROSECOND
    if form[1] is None:
        if form[4]:
            raise InvalidEventId(text)
        return ThreadPosition(began_at)
    return ThreadPosition(began_at, _run_id(form[1]), position.parse(form[2]), bool(form[4]))


def _run_id(text: str) -> UUID:
    try:
        run_id = UUID(text)
    except ValueError as error:
        raise InvalidEventId(text) from error
    if str(run_id) != text:
        raise InvalidEventId(text)
    return run_id
