"""JSON texts: what is refused on the way in, and what any value looks like on the way out."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.core import jsons


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not valid JSON"),
        ("NaN", "not valid JSON"),
        ("", "not valid JSON"),
        ('"\\u0000"', "U+0000"),
        ('"\\ud800"', "not valid JSON"),
        ("[" * 65 + "]" * 65, "deeper than 64 levels"),
        ("1e-999999", "digits after the point"),
    ],
)
def test_a_text_that_postgres_or_json_refuses_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(jsons.InvalidJson, match=why.replace("+", r"\+")):
        jsons.parse(text)


@pytest.mark.parametrize("text", ['"\\\\u0000"', "[" * 64 + "]" * 64, "null", "9007199254740993", "1" * 300])
def test_a_text_within_the_rules_is_taken_exactly(text: str) -> None:
    assert jsons.parse(text) == json.loads(text)


def test_integers_beyond_64_bits_survive_both_ways() -> None:
    assert jsons.loads(jsons.dumps({"n": 10**40})) == {"n": 10**40}


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Point(1), '{"x":1}'),
        ({1: "a"}, '{"1":"a"}'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00+00:00"'),
        (b"\xffa", '"\\\\xffa"'),
        (float("nan"), "null"),
        ("a\0b", '"ab"'),
    ],
)
def test_what_json_has_no_form_for_is_written_as_something_like_it(value: object, text: str) -> None:
    assert jsons.dumps(value) == text


def test_one_odd_value_does_not_hide_those_beside_it() -> None:
    assert json.loads(jsons.dumps({"big": 2**70, "none": float("nan"), "half": "\ud800", "set": {1}})) == {
        "big": 2**70,
        "none": None,
        "half": "?",
        "set": [1],
    }


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_any_value_becomes_a_text_that_is_valid_and_storable(value: Any) -> None:
    text = jsons.dumps(value)
    json.loads(text)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode()
