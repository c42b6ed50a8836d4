"""JSON texts: parsed strictly on the way in, and written so that Postgres and every client can take them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import orjson

MAX_DEPTH = 64

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
# Postgres can't hold more; a text that has neither of these forms anywhere has no such number.
_MAX_FRACTION = 16_383
_LONG_FRACTION = re.compile(r"\d[eE]-\d{4}|\.\d{8000}")
# orjson makes a float of an integer beyond 64 bits.
_LONG_NUMBER = re.compile(r"[0-9]{19}")
_OPTIONS = orjson.OPT_NON_STR_KEYS


class InvalidJson(ValueError):
    """Why a text is not acceptable JSON, in words for its sender."""


def loads(text: str) -> Any:
    """The value of a text that is known to be JSON. Integers of any size stay what they are."""
    return json.loads(text) if _LONG_NUMBER.search(text) else orjson.loads(text)


def parse(text: str) -> Any:
    """The value of a JSON text. Raises InvalidJson by the rules of runwire.api.type.v1.Json."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"not valid JSON: {error.msg} at character {error.pos}") from None
    if "\\u0000" in text and _NUL.search(text):
        raise InvalidJson("a string contains U+0000")
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise InvalidJson(f"deeper than {MAX_DEPTH} levels")
    if _LONG_FRACTION.search(text):
        json.loads(text, parse_float=_storable)
    return _exact(text) if _LONG_NUMBER.search(text) else value


def _exact(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidJson("an integer has more than 4,300 digits") from None


def _storable(number: str) -> str:
    mantissa, _, exponent = number.lower().partition("e")
    digits = exponent.lstrip("+-0")
    shift = int(digits[:6] or 0) * (-1 if exponent.startswith("-") else 1)
    if len(mantissa.partition(".")[2]) - shift > _MAX_FRACTION:
        raise InvalidJson(f"a number has more than {_MAX_FRACTION} digits after the point")
    return number


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]
    return depth


def plain(value: Any) -> Any:
    """What stands for a value that JSON has no form for: models and dataclasses by field, the rest by its text."""
    if callable(dump := getattr(value, "model_dump", None)):
        return dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if callable(fields := getattr(value, "_asdict", None)):
        return fields()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def dumps(value: Any, default: Callable[[Any], Any] = plain) -> str:
    """A JSON text of any Python value; never fails, and never holds what Postgres can't store."""
    try:
        text = orjson.dumps(value, default, _OPTIONS).decode()
    except TypeError:
        # Integers beyond 64 bits, lone surrogates and deep nesting are beyond orjson.
        text = _slow_dumps(value, default)
    return _NUL.sub(r"\1", text) if "\\u0000" in text else text


def _slow_dumps(value: Any, default: Callable[[Any], Any]) -> str:
    try:
        exact = json.loads(json.dumps(value, default=default, skipkeys=True), parse_constant=lambda _: None)
        text = json.dumps(exact, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = json.dumps(f"<{type(value).__name__} that JSON can't hold>")
    return text.encode("utf-8", "replace").decode()
