"""Event ids and what happens to a batch: pure decisions."""

from __future__ import annotations

import pytest

from runwire.stream.position import START, Fit, InvalidEventId, Position, derived_end, event_id, fit, parse


@pytest.mark.parametrize("text", ["1-1", "7-123456", "2147483647-2147483647"])
def test_an_event_id_means_the_position_that_it_was_made_of(text: str) -> None:
    assert event_id(parse(text)) == text


def test_an_empty_event_id_is_the_start() -> None:
    assert parse("") == START
    assert event_id(START) == event_id(Position(3, 0)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "x", "1", "-", "1-", "-1", "1-0", "0-1", "01-1", "1-01", "+1-1", "1-1 ", " 1-1", "1-1\n", "1_0-1", "1--1",
        "1-1-1", "\uff12-1", "1-2147483648", "2147483648-1", "99999999999-1", "1-" + "9" * 400, "1-1\0", "1.0-1",
    ],
)  # fmt: skip
def test_what_no_server_ever_made_is_refused(text: str) -> None:
    with pytest.raises(InvalidEventId):
        parse(text)


@pytest.mark.parametrize(
    ("position", "batch", "expected"),
    [
        (START, (1, 1, 1), Fit.NEXT),
        (START, (1, 1, 9), Fit.NEXT),
        (START, (1, 2, 9), Fit.NEWER),
        (START, (2, 1, 1), Fit.NEWER),
        (Position(1, 0), (1, 1, 1), Fit.NEXT),
        (Position(1, 0), (1, 2, 2), Fit.HOLE),
        (Position(1, 5), (1, 6, 6), Fit.NEXT),
        (Position(1, 5), (1, 4, 8), Fit.NEXT),
        (Position(1, 5), (1, 7, 8), Fit.HOLE),
        (Position(1, 5), (1, 1, 5), Fit.SEEN),
        (Position(1, 5), (2, 1, 1), Fit.NEWER),
        (Position(2, 1), (1, 6, 6), Fit.SEEN),
        (Position(2, 0), (1, 6, 6), Fit.SEEN),
        (Position(2, 0), (2, 1, 3), Fit.NEXT),
    ],
)
def test_a_batch_goes_with_a_position(position: Position, batch: tuple[int, int, int], expected: Fit) -> None:
    assert fit(position, *batch) is expected


def test_a_derived_end_comes_after_everything_that_was_sent() -> None:
    assert derived_end(4) > Position(4, 2**31 - 1)
