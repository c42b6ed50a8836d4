"""What readers note of the ids that they get."""

from __future__ import annotations

import pytest

from tests.faults.reading import inside_of

_RUN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("event_id", "inside"),
    [(f"{_RUN}:2-7:1700000000000000", "2-7"), (f"{_RUN}:2-8:1700000000000000:end", "2-8"), ("1700000000000000", "")],
)
def test_an_id_of_a_thread_tells_the_place_in_the_run_where_there_is_one(event_id: str, inside: str) -> None:
    assert inside_of(event_id) == inside
