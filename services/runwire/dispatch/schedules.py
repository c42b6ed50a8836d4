"""When a cron ticks: a schedule in a time zone. No IO, and no clock of its own.

A schedule names local times. It is read as Debian's cron does: five fields, or a sixth for seconds behind them; where
both days are restricted, either will do. Where the clocks of the time zone change:

- A local time that is skipped ticks at the shift: with `30 2 * * *`, at 03:00 on the day when 02:00 becomes 03:00.
  Those that are skipped together tick once.
- A local time that occurs twice ticks the first time.
- A schedule of all 24 hours, such as `*/5 * * * *`, names no hour. It goes on at its pace: it ticks through both of
  two hours with the same name, and makes nothing up for a skipped one.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

LATE = timedelta(seconds=5)
"""A tick that is later than this is not caught up with if another one has passed since."""

COUNTED = 10_000
"""How many missed ticks are counted at once."""

_HOURS = set(range(24))
_MINUTE = timedelta(minutes=1)
_ANY_DAY = datetime(2026, 1, 1)
# What the system's folder holds beside the names of IANA.
_NOT_IANA = {"Factory", "localtime", "posixrules"}


class InvalidSchedule(ValueError):
    """Why a schedule can't be used, in words for its sender."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A valid schedule in a valid time zone."""

    text: str
    time_zone: str

    def ticks(self, after: datetime) -> Iterator[datetime]:
        """The times of all ticks after a time, in UTC. It ends where none comes for fifty years."""
        zone = ZoneInfo(self.time_zone)
        start = after.astimezone(zone)
        pattern = _seconds_first(self.text)
        if CronSim(pattern, _ANY_DAY).hours == _HOURS:
            ticks = (tick.astimezone(UTC) for tick in CronSim(pattern, start))
        else:
            ticks = (_instant(wall, zone) for wall in CronSim(pattern, start.replace(tzinfo=None)))
        last = after
        for tick in ticks:
            if tick > last:
                yield tick
                last = tick


@dataclass(frozen=True, slots=True)
class Advance:
    """What follows a tick: the next one, and how many before it get no run."""

    next_tick: datetime | None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Timing:
    """All that says when a cron ticks."""

    schedule: Schedule
    enabled: bool
    end: datetime | None

    def next_tick(self, now: datetime) -> datetime | None:
        """The first tick after now; None: there is none."""
        return self._allowed(next(self.schedule.ticks(now), None)) if self.enabled else None

    def changed_from(self, before: Timing, next_tick: datetime | None, now: datetime) -> datetime | None:
        """The next tick after a change. One that is due already stays so, unless it is the schedule that is new."""
        kept = self._allowed(next_tick) if self.enabled and self.schedule == before.schedule else None
        return kept or self.next_tick(now)

    def advance(self, tick: datetime, now: datetime) -> Advance:
        """What follows a tick that is due now. Ticks that were missed since are passed over, and counted."""
        following = self.next_tick(tick)
        if following is None or following > now or now - tick <= LATE:
            return Advance(following)
        for missed, passed in enumerate(self.schedule.ticks(tick)):
            if missed == COUNTED or passed > now or self._allowed(passed) is None:
                return Advance(self.next_tick(now), missed)
        return Advance(None)

    def _allowed(self, tick: datetime | None) -> datetime | None:
        return None if tick is None or (self.end is not None and tick > self.end) else tick


def check_schedule(text: str) -> None:
    """Raises InvalidSchedule."""
    try:
        if next(CronSim(_seconds_first(text), _ANY_DAY), None) is None:
            raise InvalidSchedule("names a day that never comes")
    except CronSimError as error:
        raise InvalidSchedule(f"has a {str(error).lower()}") from None


def is_time_zone(name: str) -> bool:
    """Whether it is the name of an IANA time zone."""
    return name in _time_zones()


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - _NOT_IANA)


def _seconds_first(text: str) -> str:
    match text.split():
        case [_, _, _, _, _] as fields:
            return " ".join(["0", *fields])
        case [*fields, seconds] if len(fields) == 5:
            return " ".join([seconds, *fields])
    raise InvalidSchedule("must have five fields, or six with the seconds last")


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first time when the clocks show this, or else the shift that skips it. Shifts are at whole minutes."""
    while (tick := wall.replace(tzinfo=zone).astimezone(UTC)).astimezone(zone).replace(tzinfo=None) != wall:
        wall = wall.replace(second=0) + _MINUTE
    return tick
