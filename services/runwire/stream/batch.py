"""Batches of events as they travel: bytes of StreamRunResponse, cut and joined without being encoded anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from google.protobuf.message import DecodeError

from runwire.api.stream.v1.stream_pb2 import RunEvent
from runwire.stream import position

# Field 1 of StreamRunResponse, length-delimited: what stands before each event.
_TAG = 0x0A


class Malformed(ValueError):
    """Bytes that are not what a worker sends."""


class Frame(NamedTuple):
    """Where an event is in its batch's bytes: from `start` with its frame, from `body` without, to `end`."""

    start: int
    body: int
    end: int


class Label(NamedTuple):
    """What a reader may select an event by."""

    payload: str
    namespace: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """The events `first_seq` to `last_seq` of a claim. What is worked out of its bytes is kept."""

    claim: int
    first_seq: int
    last_seq: int
    raw: bytes

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """Where each event is."""
        return frames(self.raw)

    @cached_property
    def finished(self) -> bool:
        """Whether its last event is `finished`."""
        return bool(self.raw) and _event(self.raw, self.frames[-1]).HasField("finished")

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """What each event is."""
        events = (_event(self.raw, frame) for frame in self.frames)
        return tuple(Label(event.WhichOneof("payload") or "", tuple(event.namespace)) for event in events)


def parse(raw: bytes) -> Batch:
    """A message of a run's channel. Raises Malformed."""
    try:
        found = frames(raw)
        first = last = _event(raw, found[0])
        if len(found) > 1:
            last = _event(raw, found[-1])
        begin, end = position.parse(first.event_id), position.parse(last.event_id)
    except (IndexError, DecodeError, position.InvalidEventId) as error:
        raise Malformed(str(error)) from error
    if not begin.seq or begin.claim != end.claim or end.seq - begin.seq + 1 != len(found):
        raise Malformed(f"{len(found)} events from {begin} to {end}")
    batch = Batch(begin.claim, begin.seq, end.seq, raw)
    batch.__dict__.update(frames=found, finished=last.HasField("finished"))
    return batch


def frames(raw: bytes) -> tuple[Frame, ...]:
    """Where each event of concatenated StreamRunResponse messages is. Raises Malformed."""
    found, start, size = [], 0, len(raw)
    try:
        while start < size:
            if raw[start] != _TAG:
                raise Malformed(f"no event at {start}")
            length, body = _varint(raw, start + 1)
            end = body + length
            found.append(Frame(start, body, end))
            start = end
    except IndexError as error:
        raise Malformed("cut off") from error
    if start != size:
        raise Malformed("cut off")
    return tuple(found)


def _event(raw: bytes, frame: Frame) -> RunEvent:
    event: RunEvent = RunEvent.FromString(raw[frame.body : frame.end])
    return event


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def split(raw: bytes, limit: int) -> list[bytes]:
    """Cuts between events, into pieces of at most `limit` bytes where events are not larger themselves."""
    if len(raw) <= limit:
        return [raw]
    pieces, start, end = [], 0, 0
    for frame in frames(raw):
        if frame.end - start > limit and end > start:
            pieces.append(raw[start:end])
            start = end
        end = frame.end
    pieces.append(raw[start:])
    return pieces
