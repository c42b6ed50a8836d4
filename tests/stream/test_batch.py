"""Batches: cut, joined and selected from without being encoded anew."""

from __future__ import annotations

import random

import pytest

from runwire.api.stream.v1.stream_pb2 import Custom, Finished, RunEvent, StreamRunResponse, Update
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.stream.batch import Batch, Malformed, frames, parse, split
from runwire.stream.selection import Selection


def _events(count: int, claim: int = 1, first: int = 1, size: int = 1) -> list[RunEvent]:
    return [RunEvent(event_id=f"{claim}-{first + n}", custom=Custom(data=Json(text="1" * size))) for n in range(count)]


def _raw(events: list[RunEvent]) -> bytes:
    return b"".join(StreamRunResponse(events=[event]).SerializeToString() for event in events)


def _read(raw: bytes) -> list[RunEvent]:
    return list(StreamRunResponse.FromString(raw).events)


def test_a_message_says_where_it_is() -> None:
    batch = parse(_raw(_events(3, claim=2, first=7)))
    assert (batch.claim, batch.first_seq, batch.last_seq, batch.finished) == (2, 7, 9, False)


def test_a_message_with_the_end_says_so() -> None:
    events = [*_events(1), RunEvent(event_id="1-2", finished=Finished())]
    assert parse(_raw(events)).finished


@pytest.mark.parametrize(
    "raw",
    [
        b"x",
        b"\x0a",
        b"\x0a\x05",
        b"\x0a\x02\xff\xff",
        b"\x0a\x00",
        _raw(_events(1))[:-1],
        _raw([*_events(1), *_events(1, first=3)]),
        _raw([*_events(1), *_events(1, claim=2, first=2)]),
    ],
)
def test_bytes_that_no_worker_sends_are_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse(raw)


def test_splitting_cuts_between_events() -> None:
    rng = random.Random(1)
    events = [event for n in range(1, 60) for event in _events(1, first=n, size=rng.choice([1, 200, 5000]))]
    pieces = split(_raw(events), 1000)
    assert b"".join(pieces) == _raw(events)
    assert [e for piece in pieces for e in _read(piece)] == events
    assert all(len(piece) <= 1000 or len(frames(piece)) == 1 for piece in pieces)


def test_all_of_a_batch_is_taken_as_it_came() -> None:
    raw = _raw(_events(5))
    assert Selection().take(Batch(1, 1, 5, raw), 0) is raw


def test_what_was_seen_of_a_batch_is_left_out() -> None:
    events = _events(5, first=11)
    assert _read(Selection().take(Batch(1, 11, 15, _raw(events)), 13)) == events[3:]


def test_only_wanted_modes_are_taken() -> None:
    events = [
        RunEvent(event_id="1-1", custom=Custom()),
        RunEvent(event_id="1-2", update=Update()),
        RunEvent(event_id="1-3", finished=Finished()),
    ]
    taken = Selection([run_pb2.STREAM_MODE_UPDATES]).take(Batch(1, 1, 3, _raw(events)), 0)
    assert _read(taken) == events[1:]


@pytest.mark.parametrize(
    ("namespace", "paths", "wanted"),
    [
        ((), [("a",)], False),
        (("a",), [("a",)], True),
        (("a:1",), [("a",)], True),
        (("a:1",), [("a:1",)], True),
        (("a:1",), [("a:2",)], False),
        (("ab:1",), [("a",)], False),
        (("a:1", "b:2"), [("a",)], True),
        (("a:1",), [("a", "b")], False),
        (("a:1", "b:2"), [("x",), ("a", "b")], True),
        (("x",), [()], True),
    ],
)
def test_a_namespace_is_wanted_with_what_is_below_it(
    namespace: tuple[str, ...], paths: list[tuple[str, ...]], wanted: bool
) -> None:
    events = [RunEvent(event_id="1-1", namespace=namespace, custom=Custom())]
    assert bool(Selection(namespaces=paths).take(Batch(1, 1, 1, _raw(events)), 0)) is wanted
