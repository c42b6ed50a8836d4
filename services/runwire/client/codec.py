"""Between the contract's messages and plain Python values, led by the descriptors.

Json becomes what `json` makes of it, Timestamp an aware datetime, Duration a timedelta, an enum's value its word
without prefix in lower case, a repeated field a tuple, and a message the dataclass that mirrors it, or a dict.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.type.v1.json_pb2 import Json

M = TypeVar("M", bound=Message)
T = TypeVar("T")

_ABSENT: Any = object()
_MIRRORS: dict[str, Callable[..., Any]] = {}
_READ: dict[str, Callable[[Any], Any]] = {
    Json.DESCRIPTOR.full_name: lambda message: json.loads(message.text),
    Timestamp.DESCRIPTOR.full_name: lambda message: to_instant(message),
    Duration.DESCRIPTOR.full_name: lambda message: message.ToTimedelta(),
}


def to_instant(message: Timestamp) -> datetime:
    """An aware datetime in UTC."""
    return message.ToDatetime(tzinfo=UTC)


def json_of(value: object) -> Json:
    """Any JSON value, None included. ValueError for NaN and Infinity, TypeError for what JSON has no form for."""
    return Json(text=json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def encode(kind: type[M], /, **values: object) -> M:
    """A message with these fields; None leaves a field unset."""
    message = kind()
    _fill(message, values)
    return message


def mirrors(kind: type[Message]) -> Callable[[type[T]], type[T]]:
    """Names the message whose fields a dataclass has. What the server left unset takes the dataclass's default."""

    def register(mirror: type[T]) -> type[T]:
        _MIRRORS[kind.DESCRIPTOR.full_name] = mirror
        return mirror

    return register


def reads(kind: type[M]) -> Callable[[Callable[[M], T]], Callable[[M], T]]:
    """Names the message that a function reads, for messages that have no dataclass."""

    def register(read: Callable[[M], T]) -> Callable[[M], T]:
        _READ[kind.DESCRIPTOR.full_name] = read
        return read

    return register


def decode(kind: type[T], message: Message, **more: object) -> T:
    """The message as the dataclass that mirrors it, with `more` fields that the message itself does not have."""
    return kind(**_values(message), **more)


def items_of(page: Message) -> tuple[Any, ...]:
    """What a page of a list holds; in all of them it is the first field."""
    items: tuple[Any, ...] = _readers(page.DESCRIPTOR)[0][1](page)
    return items


def mirror_of(message: Message) -> type[Any]:
    """The dataclass for a message."""
    mirror: Any = _MIRRORS[message.DESCRIPTOR.full_name]
    return mirror  # type: ignore[no-any-return]


def plain(message: Message) -> dict[str, Any]:
    """The fields that are set, as a dict."""
    names = {field.name for field, _ in message.ListFields()}
    return {name: value for name, value in _values(message).items() if name in names}


@cache
def words(enum: EnumDescriptor) -> Mapping[int, str]:
    """What each number of an enum is called. Zero, which is never a value of its own, has no word."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


def _values(message: Message) -> dict[str, Any]:
    read = ((name, reader(message)) for name, reader in _readers(message.DESCRIPTOR))
    return {name: value for name, value in read if value is not _ABSENT}


@cache
def _readers(kind: Descriptor) -> tuple[tuple[str, Callable[[Message], Any]], ...]:
    return tuple((field.name, _reader(field)) for field in kind.fields)


def _reader(field: FieldDescriptor) -> Callable[[Message], Any]:
    name, convert = field.name, _conversion(field)
    if _is_map(field):
        return lambda message: dict(getattr(message, name))
    if field.is_repeated:
        return lambda message: tuple(map(convert, getattr(message, name)))
    if field.has_presence:
        return lambda message: convert(getattr(message, name)) if message.HasField(name) else _ABSENT
    return lambda message: convert(getattr(message, name))


def _conversion(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.enum_type:
        known = words(field.enum_type)
        return lambda number: known.get(number, f"unknown_{number}") if number else _ABSENT
    if not field.message_type:
        return lambda value: value
    name = field.message_type.full_name
    if mirror := _MIRRORS.get(name):
        return lambda message: mirror(**_values(message))
    return _READ.get(name, plain)


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _fill(message: Message, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if value is None:
            continue
        if name not in message.DESCRIPTOR.fields_by_name:
            raise ValueError(f"{message.DESCRIPTOR.name} has no {name!r}")
        _put(message, cast(FieldDescriptor, message.DESCRIPTOR.fields_by_name[name]), value)


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    target = getattr(message, field.name)
    if _is_map(field):
        target.update(value)
    elif field.is_repeated and field.message_type:
        for item in _listed(field, value):
            _write(target.add(), item)
    elif field.is_repeated:
        target.extend(_scalar(field, item) for item in _listed(field, value))
    elif field.message_type:
        target.SetInParent()
        _write(target, value)
    else:
        setattr(message, field.name, _scalar(field, value))


def _listed(field: FieldDescriptor, value: Any) -> Iterable[Any]:
    if isinstance(value, str):
        raise TypeError(f"{field.name} takes several values, not one text")
    items: Iterable[Any] = value
    return items


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if not field.enum_type:
        return value
    numbers = {word: number for number, word in words(field.enum_type).items()}
    if value not in numbers:
        raise ValueError(f"{field.name} is one of {', '.join(numbers)}, not {value!r}")
    return numbers[value]


def _write(message: Message, value: Any) -> None:
    if isinstance(value, type(message)):
        message.CopyFrom(value)
    elif isinstance(message, Json):
        message.CopyFrom(json_of(value))
    elif isinstance(message, Timestamp):
        message.FromDatetime(_instant(value))
    elif isinstance(message, Duration):
        message.FromTimedelta(value if isinstance(value, timedelta) else timedelta(seconds=value))
    else:
        _fill(message, value if isinstance(value, Mapping) else _attributes(value))


def _instant(value: datetime) -> datetime:
    # A naive datetime is local time, as everywhere in Python.
    return value.astimezone(UTC)


def _attributes(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
