"""Page tokens: they come back as they were made, and only to the list that made them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.api.dispatch.v1.runs_pb2 import ListRunsRequest, RunFilter
from runwire.core import paging
from runwire.core.paging import Place


@pytest.mark.parametrize(
    "place",
    [
        Place(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "a"),
        Place(datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "b"),
        Place("name", "c"),
        Place(7, "d"),
    ],
)
def test_a_token_says_where_its_page_begins(place: Place) -> None:
    assert paging.decode(paging.encode(place, "x"), "x") == place


def test_a_token_of_another_list_is_told_apart() -> None:
    one, other = ListRunsRequest(), ListRunsRequest(filter=RunFilter(thread_id="t"))
    token = paging.encode(Place(1, "a"), paging.binding(one))
    with pytest.raises(paging.PageTokenMismatch):
        paging.decode(token, paging.binding(other))


def test_the_size_of_a_page_may_change_between_pages() -> None:
    assert paging.binding(ListRunsRequest(page_size=1)) == paging.binding(ListRunsRequest(page_size=9))


@given(st.text() | st.binary().map(lambda raw: raw.hex()))
def test_what_no_server_made_is_no_token(token: str) -> None:
    with pytest.raises(paging.InvalidPageToken):
        paging.decode(token, "x")
