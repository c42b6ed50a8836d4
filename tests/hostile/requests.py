"""Requests made from the descriptors: a plausible one with some of its fields made hostile, or all of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from runwire.core.paging import binding
from tests.contract.rpcs import Rpc
from tests.hostile import plausible, values
from tests.hostile.world import World

Draw = Callable[[st.SearchStrategy[Any]], Any]

_DEPTH = 3
_HUGE = 1_100
# Larger ones would make messages of many megabytes, and peaks of memory that hide what is not given back.
_REPEATED_BYTES = 2_000
_CHANCES = st.integers(0, 99)
# How many fields in a hundred are hostile, and how many are there at all; the plausible make valid requests, mostly.
_PLAUSIBLE = [(0, 30), (0, 30), (0, 5)]
_MOODS = [(100, 50), (40, 60), (15, 60), (6, 40), *_PLAUSIBLE]
_TEXTS = values.texts()
_JSONS = values.jsons()
_EVENT_IDS = values.event_ids()
_DURATIONS = values.durations()
_TIMESTAMPS = values.timestamps()
_BYTES = st.binary(min_size=1, max_size=24)
_NUMBERS = {
    FieldDescriptor.TYPE_INT32: values.integers(32),
    FieldDescriptor.TYPE_INT64: values.integers(64),
    FieldDescriptor.TYPE_UINT32: values.integers(32, signed=False),
    FieldDescriptor.TYPE_UINT64: values.integers(64, signed=False),
}
_ENUMS = st.sampled_from([-1, 8, 99, 9999, 2**31 - 1, -(2**31)])
_SPECIAL = {"google.protobuf.Duration": _DURATIONS, "google.protobuf.Timestamp": _TIMESTAMPS}
_KINDS = st.sampled_from(["t", "v", "v", "x", None])
_MOMENTS = ["2026-11-27T10:00:00+00:00", "2026-11-27", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "now"]
_KEYS: st.SearchStrategy[Any] = st.sampled_from(
    [*_MOMENTS, "", 0, -1, 1, 2**31, 2**63, 2**64, True, 1.5, None, [], "x", "' OR 1=1 --", "\ud800"]
)
_ROWS = st.sampled_from(
    [
        *(
            "",
            "x",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "[]",
            '["a"]',
            '["a","b"]',
            '["a","b","c"]',
            '["\\u0000","b"]',
        ),
        *('[1,"b"]', '[["a"],"b"]', '["\\ud800","b"]', "{}", "5", "\0", "\ud800", "x" * 70_000, "[" * 3000),
    ]
)
_JSON = "runwire.api.type.v1.Json"


@st.composite
def requests(draw: Draw, rpcs: list[Rpc], world: World, *, plausible_only: bool) -> tuple[Rpc, bytes]:
    """An RPC and the bytes of a request for it."""
    rpc = draw(st.sampled_from(rpcs))
    message = rpc.request_class()
    hostile, there = draw(st.sampled_from(_PLAUSIBLE if plausible_only else _MOODS))
    _Filling(draw, world, hostile, there).fill(message, rpc.method.input_type, _DEPTH)
    if not hostile:
        plausible.mend(message)
    if "page_token" in rpc.method.input_type.fields_by_name and draw(_CHANCES) < 30:
        _forge(draw, message)
    return rpc, _wire(draw, message, hostile)


def _forge(draw: Draw, message: Any) -> None:
    """A page token that fits the request and holds what this server never put into one. Tokens are not signed."""
    message.ClearField("page_token")
    content = [1, binding(message), draw(_KINDS), draw(_KEYS), draw(_ROWS)]
    message.page_token = base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _wire(draw: Draw, message: Message, hostile: int) -> bytes:
    """The message's bytes: with lone surrogates where they should be; now and then with unknown fields, or torn."""
    raw = message.SerializeToString().replace(values.LONE_SURROGATE.encode(), b"\xed\xa0\x80")
    if not hostile or draw(_CHANCES) >= 4:
        return raw
    match draw(st.integers(0, 3)):
        case 0:  # an unknown field
            return raw + b"\xfa\x3f\x03abc"
        case 1:  # a repeated singular field, a oneof's other member: the last one counts
            return raw + raw
        case 2:
            return raw[: draw(st.integers(0, len(raw)))]
        case _:
            at = draw(st.integers(0, len(raw)))
            return bytes(raw[:at] + draw(_BYTES) + raw[at:])


class _Filling:
    """Fills messages field by field."""

    def __init__(self, draw: Draw, world: World, hostile: int, there: int) -> None:
        self._draw = draw
        self._world = world
        self._hostile = hostile
        self._there = there

    def fill(self, message: Message, descriptor: Descriptor, depth: int) -> None:
        for field in descriptor.fields:
            needed = (92 if self._hostile else 100) if field.name in plausible.NEEDED else 0
            if self._chance(needed or self._there):
                self._put(message, field, depth)

    def _chance(self, of_a_hundred: int) -> bool:
        return bool(self._draw(_CHANCES) < of_a_hundred)

    def _put(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for _ in range(self._draw(st.integers(1, 3))):
                getattr(message, field.name)[self._draw(_TEXTS)] = self._draw(_TEXTS)
        elif field.is_repeated:
            self._put_many(getattr(message, field.name), field, depth)
        elif field.message_type is not None:
            self._put_message(getattr(message, field.name), field, depth)
        else:
            setattr(message, field.name, self._scalar(field))

    def _put_many(self, target: Any, field: FieldDescriptor, depth: int) -> None:
        huge = self._chance(self._hostile // 20)
        count = 1 if huge else self._draw(st.integers(0 if self._hostile else 1, 3))
        for _ in range(count):
            if field.message_type is not None:
                self._put_message(target.add(), field, depth)
            else:
                target.append(self._scalar(field))
        if huge and target and _size(target[0]) <= _REPEATED_BYTES:
            target.extend([target[0]] * _HUGE)

    def _put_message(self, target: Message, field: FieldDescriptor, depth: int) -> None:
        target.SetInParent()
        kind: Any = field.message_type
        if kind.full_name == _JSON:
            target.text = self._json(field)  # type: ignore[attr-defined]
        elif (special := _SPECIAL.get(kind.full_name)) is not None:
            good = plausible.SPANS.get(field.name)
            target.CopyFrom(good(self._draw) if good and not self._chance(self._hostile) else self._draw(special))
        elif depth:
            self.fill(target, kind, depth - 1)

    def _json(self, field: FieldDescriptor) -> str:
        if self._chance(self._hostile):
            return str(self._draw(_JSONS))
        return str(self._draw(plausible.jsons(field)))

    def _scalar(self, field: FieldDescriptor) -> Any:
        if field.type == FieldDescriptor.TYPE_BOOL:
            return self._draw(st.booleans())
        if field.type == FieldDescriptor.TYPE_ENUM:
            kind: Any = field.enum_type
            known = st.sampled_from([value.number for value in kind.values])
            return self._draw(_ENUMS if self._chance(self._hostile) else known)
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._text(field)
        return self._draw(_NUMBERS[field.type] if self._chance(self._hostile) else plausible.number(field))

    def _text(self, field: FieldDescriptor) -> str:
        known = plausible.text(self._draw, field, self._world)
        if not self._chance(self._hostile):
            return known
        if field.name == "after_event_id" and self._chance(60):
            return str(self._draw(_EVENT_IDS))
        return str(self._draw(values.mutated(known) if known and self._chance(30) else _TEXTS))


def _size(value: Any) -> int:
    return value.ByteSize() if isinstance(value, Message) else len(str(value))
