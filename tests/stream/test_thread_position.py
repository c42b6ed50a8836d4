"""Event ids of a thread's stream."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from runwire.stream.position import InvalidEventId, Position
from runwire.stream.thread_position import ThreadPosition, event_id, parse, text

RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
MOMENT = datetime(2026, 11, 22, 20, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "place",
    [
        ThreadPosition(MOMENT),
        ThreadPosition(MOMENT, RUN, Position(2, 17)),
        ThreadPosition(MOMENT, RUN, Position(2, 18), ended=True),
    ],
)
def test_an_event_id_means_the_place_that_it_was_made_of(place: ThreadPosition) -> None:
    assert parse(text(place)) == place


def test_an_event_id_names_the_run_and_the_event() -> None:
    assert event_id(RUN, "2-17", MOMENT, is_last=False) == f"{RUN}:2-17:1795377600123456"


def test_an_empty_event_id_is_no_place() -> None:
    assert parse("") is None


@pytest.mark.parametrize(
    "wrong",
    [
        "x", "1-1", "5:end", "9" * 19, "\uff15", f"{RUN}", f"{RUN}:1-1", f"{RUN}:1-1:", f"{RUN}:0-1:5", f"{RUN}:1-0:5",
        f"{RUN}:1-1:05", f"{RUN}:1-1:-5", f"{RUN}:1-1:5:END", f"{RUN}:1-1:5:end:end", f"{RUN}:1-99999999999:5",
        f"{str(RUN).upper()}:1-1:5", f"{'-' * 36}:1-1:5", f"{RUN}:1-1:5\n", f"{RUN}:1-1:999999999999999999",
        f"{RUN}:1-1:5\0",
    ],
)  # fmt: skip
def test_what_no_server_ever_made_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidEventId):
        parse(wrong)
