"""When schedules tick, where the clocks change above all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwire.dispatch.schedules import (
    COUNTED,
    LATE,
    Advance,
    InvalidSchedule,
    Schedule,
    Timing,
    check_schedule,
    is_time_zone,
)

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def _local(text: str, zone: str, day: str, hours: int = 24) -> list[str]:
    """Local times with their offsets of all ticks in the hours from a local midnight on."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    after = midnight.astimezone(UTC) - timedelta(microseconds=1)
    ticks: list[str] = []
    for tick in Schedule(text, zone).ticks(after):
        if tick >= midnight.astimezone(UTC) + timedelta(hours=hours):
            return ticks
        ticks.append(tick.astimezone(ZoneInfo(zone)).strftime("%H:%M:%S%z").replace(":00+", "+").replace(":00-", "-"))
    return ticks


def _next(text: str, after: datetime, zone: str = "UTC") -> datetime:
    return next(Schedule(text, zone).ticks(after))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", "2026-03-04T12:01:00"),
        ("*/15 9-17 * * *", "2026-03-04T12:15:00"),
        ("0 9 * * MON-FRI", "2026-03-05T09:00:00"),
        ("0 9 * * 7", "2026-03-08T09:00:00"),
        ("0 0 13 * FRI", "2026-03-06T00:00:00"),
        ("0 0 L * *", "2026-03-31T00:00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00"),
        ("* * * * * *", "2026-03-04T12:00:01"),
        ("0 12 * * * 30", "2026-03-04T12:00:30"),
        ("0 9 * * MON 15", "2026-03-09T09:00:15"),
        ("* * * * * */20", "2026-03-04T12:00:20"),
    ],
)
def test_a_schedule_has_five_fields_or_six_with_the_seconds_last(text: str, expected: str) -> None:
    check_schedule(text)
    assert _next(text, NOON).isoformat() == f"{expected}+00:00"


def test_a_tick_is_after_a_time_and_never_at_it() -> None:
    assert _next("0 12 * * *", NOON) == NOON + timedelta(days=1)
    assert _next("0 12 * * *", NOON - timedelta(microseconds=1)) == NOON


def test_a_time_zone_shifts_the_ticks() -> None:
    assert _next("0 9 * * *", NOON, NEW_YORK) == datetime(2026, 3, 4, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "day", "expected"),
    [
        # The clocks go from 02:00 to 03:00, and in Lord Howe from 02:00 to 02:30.
        ("30 2 * * *", BERLIN, "2026-03-29", ["03:00+0200"]),
        ("0 2 * * *", BERLIN, "2026-03-29", ["03:00+0200"]),
        ("30 2 * * * 15", BERLIN, "2026-03-29", ["03:00+0200"]),
        ("15,45 2 * * *", BERLIN, "2026-03-29", ["03:00+0200"]),
        ("0 2,3 * * *", BERLIN, "2026-03-29", ["03:00+0200"]),
        ("30 1-3 * * *", BERLIN, "2026-03-29", ["01:30+0100", "03:00+0200", "03:30+0200"]),
        ("30 2 * * *", NEW_YORK, "2026-03-08", ["03:00-0400"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-04", ["02:30+1100"]),
        ("15,45 2 * * *", LORD_HOWE, "2026-10-04", ["02:30+1100", "02:45+1100"]),
    ],
)
def test_a_local_time_that_is_skipped_ticks_at_the_shift(text: str, zone: str, day: str, expected: list[str]) -> None:
    assert _local(text, zone, day, hours=12) == expected


@pytest.mark.parametrize(
    ("text", "zone", "day", "expected"),
    [
        # The clocks go from 03:00 to 02:00, in New York from 02:00 to 01:00, and in Lord Howe from 02:00 to 01:30.
        ("30 2 * * *", BERLIN, "2026-10-25", ["02:30+0200"]),
        ("30 2 * * * 15", BERLIN, "2026-10-25", ["02:30:15+0200"]),
        ("0 1-3 * * *", BERLIN, "2026-10-25", ["01:00+0200", "02:00+0200", "03:00+0100"]),
        ("*/30 2 * * *", BERLIN, "2026-10-25", ["02:00+0200", "02:30+0200"]),
        ("30 1 * * *", NEW_YORK, "2026-11-01", ["01:30-0400"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-05", ["01:45+1100"]),
        ("15,45 1 * * *", LORD_HOWE, "2026-04-05", ["01:15+1100", "01:45+1100"]),
        ("0 2 * * *", LORD_HOWE, "2026-04-05", ["02:00+1030"]),
    ],
)
def test_a_local_time_that_occurs_twice_ticks_once(text: str, zone: str, day: str, expected: list[str]) -> None:
    assert _local(text, zone, day, hours=12) == expected


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        (BERLIN, "2026-03-29"),
        (BERLIN, "2026-10-25"),
        (NEW_YORK, "2026-03-08"),
        (NEW_YORK, "2026-11-01"),
        (LORD_HOWE, "2026-04-05"),
        (LORD_HOWE, "2026-10-04"),
    ],
)
@pytest.mark.parametrize("text", ["*/10 * * * *", "*/10 0-23 * * *", "*/10 * * * * 0"])
def test_a_schedule_of_every_hour_keeps_its_pace(zone: str, text: str, change: str) -> None:
    day_before = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=1)
    ticks = list(islice(Schedule(text, zone).ticks(day_before), 6 * 24 * 3))
    assert {later - tick for tick, later in pairwise(ticks)} == {timedelta(minutes=10)}


def test_an_hourly_schedule_ticks_in_both_of_two_hours_and_makes_nothing_up() -> None:
    assert _local("30 * * * *", BERLIN, "2026-10-25", 5) == [
        "00:30+0200",
        "01:30+0200",
        "02:30+0200",
        "02:30+0100",
        "03:30+0100",
    ]
    assert _local("30 * * * *", BERLIN, "2026-03-29", 4) == ["00:30+0100", "01:30+0100", "03:30+0200", "04:30+0200"]


def test_a_midnight_that_is_skipped_ticks_at_the_shift() -> None:
    assert _local("0 0 * * *", "Africa/Cairo", "2026-04-24", 12) == ["01:00+0300"]
    assert _local("30 * 24 4 *", "Africa/Cairo", "2026-04-24", 2) == ["01:30+0300", "02:30+0300"]


@settings(deadline=None)
@given(
    after=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "Africa/Cairo", "America/Havana", "UTC"]),
    text=st.sampled_from(["30 2 * * *", "*/20 1-3 * * *", "0 0 * * *", "15,45 * * * *", "59 23 * * SUN 30"]),
)
def test_from_wherever_one_looks_the_ticks_are_the_same(after: datetime, zone: str, text: str) -> None:
    first, second = islice(Schedule(text, zone).ticks(after), 2)
    assert after < first < second
    assert _next(text, first, zone) == second
    assert _next(text, first - timedelta(microseconds=1), zone) == first


@pytest.mark.parametrize(
    "text",
    [
        *("", "* * * *", "* * * * * * *", "@daily", "60 * * * *", "* * * * * 60", "* 24 * * *", "5-1 * * * *"),
        *("* * * * X", "*/0 * * * *", "0 0 30 2 *", "0 0 */30 2 MON#5", "٣ * * * *", "0 0 L-1 * *", "a\0 * * * *"),
    ],
)
def test_what_is_no_schedule_is_told(text: str) -> None:
    with pytest.raises(InvalidSchedule):
        check_schedule(text)


@settings(deadline=None)
@given(st.text(alphabet="0123456789*/-,#LWMON ²ß", max_size=30))
def test_any_text_is_a_schedule_or_is_told(text: str) -> None:
    try:
        check_schedule(text)
    except InvalidSchedule:
        return
    assert _next(text, NOON) > NOON


@pytest.mark.parametrize("name", ["UTC", BERLIN, "Etc/GMT+5", "America/Argentina/Buenos_Aires"])
def test_names_of_iana_are_time_zones(name: str) -> None:
    assert is_time_zone(name)


@pytest.mark.parametrize("name", ["", "Mars", "europe/berlin", "America", "../UTC", "localtime", "+01:00", "a\0"])
def test_other_names_are_not(name: str) -> None:
    assert not is_time_zone(name)


def _timing(text: str = "* * * * *", *, enabled: bool = True, end: datetime | None = None) -> Timing:
    return Timing(Schedule(text, "UTC"), enabled, end)


MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


def test_a_punctual_tick_is_followed_by_the_next() -> None:
    assert _timing().advance(NOON, NOON + SECOND) == Advance(NOON + MINUTE)


def test_a_late_tick_without_another_behind_it_is_not_a_missed_one() -> None:
    assert _timing().advance(NOON, NOON + 59 * SECOND) == Advance(NOON + MINUTE)


def test_missed_ticks_are_passed_over_and_counted() -> None:
    assert _timing().advance(NOON, NOON + 5 * MINUTE) == Advance(NOON + 6 * MINUTE, 5)


def test_ticks_of_every_second_are_caught_up_with_while_they_are_not_late() -> None:
    every_second = _timing("* * * * * *")
    assert every_second.advance(NOON, NOON + LATE) == Advance(NOON + SECOND)
    assert every_second.advance(NOON, NOON + LATE + SECOND) == Advance(NOON + LATE + 2 * SECOND, 6)


def test_no_more_missed_ticks_are_counted_than_can_be_in_a_moment() -> None:
    now = NOON + 2 * COUNTED * SECOND
    assert _timing("* * * * * *").advance(NOON, now) == Advance(now + SECOND, COUNTED)


def test_there_is_no_tick_after_the_end() -> None:
    end = NOON + 2 * MINUTE
    assert _timing(end=end).next_tick(NOON + MINUTE) == end
    assert _timing(end=end).next_tick(end) is None
    assert _timing(end=end).advance(end, end + SECOND) == Advance(None)
    assert _timing(end=end).advance(NOON, NOON + timedelta(days=1)) == Advance(None, 2)


def test_a_disabled_cron_has_no_tick() -> None:
    assert _timing(enabled=False).next_tick(NOON) is None
    assert _timing(enabled=False).changed_from(_timing(), NOON, NOON) is None


def test_a_due_tick_stays_due_unless_the_schedule_is_another() -> None:
    due, now = NOON - MINUTE, NOON
    assert _timing().changed_from(_timing(), due, now) == due
    assert _timing(end=NOON + MINUTE).changed_from(_timing(), due, now) == due
    assert _timing("*/5 * * * *").changed_from(_timing(), due, now) == NOON + 5 * MINUTE


def test_a_cron_that_was_over_goes_on_with_a_later_end() -> None:
    over = _timing(end=NOON - MINUTE)
    assert _timing().changed_from(over, None, NOON) == NOON + MINUTE
    assert over.changed_from(_timing(), NOON + MINUTE, NOON) is None
