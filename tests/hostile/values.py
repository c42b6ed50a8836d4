"""Hostile values for the leaves of a request, by type."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

LONE_SURROGATE = "\u0800"
"""Stands for a lone surrogate, which no Python message holds: `requests.wire` puts one in its place."""

_INJECTIONS = [
    "'",
    "' OR 1=1 --",
    "'; DROP TABLE threads; --",
    "x'); SELECT pg_sleep(10); --",
    "$1",
    "{conditions}",
    "%s %(a)s %",
    "{0.__class__}",
    "${jndi:ldap://x}",
    "$.a ? (@.b == 1)",
    '$[*] ? (@ like_regex ".*")',
    "strict $.**",
    "a.b",
    "*",
    ".*",
    "(a+)+$",
    "\\",
    "%",
    "_",
    "{1,2}",
    "../../etc/passwd",
    "\r\nx-injected: 1",
    "\x1b[31m",
]
_ODD = [
    "",
    " ",
    "\0",
    "a\0b",
    LONE_SURROGATE,
    "\ufffe\uffff",
    "\u202e\u2066",
    "\U0001f600" * 40,
    "\u0130i\u0307",
    "e\u0301" * 20,
    "None",
    "null",
    "-0",
    "1e309",
    "nan",
    "00000000-0000-0000-0000-000000000000",
    "01890A5D-AC96-774B-BCCE-B302099A8057",
    "{01890a5d-ac96-774b-bcce-b302099a8057}",
    "default",
    "__root__",
    "__start__",
    "__interrupt__",
]
_LONG = [128, 129, 256, 257, 1025, 4097, 70_000]

_RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
_EVENT_IDS = [
    *(
        "0",
        "0-0",
        "0-1",
        "1-0",
        "1",
        "-",
        "1-",
        "-1",
        "-1-1",
        "1--1",
        "+1-1",
        "01-1",
        "1-01",
        "1-1-1",
        "1_0-1",
        "1e1-1",
    ),
    *(
        "2147483647-2147483647",
        "2147483648-1",
        "1-2147483648",
        "9999999999-9999999999",
        "9" * 5_000,
        "1-" + "9" * 5_000,
    ),
    # Digits to Unicode and to int(), and not to a server's id.
    *("\u0661-\u0662", "\uff11-\uff12", "1-\u0967", "\u00b9-\u00b2", "\u0661"),
    *(" 1-1", "1-1\n", "1 - 1", "1\u20131"),
    *("253402300799999999", "253402300800000000", "999999999999999999", "0:end", "1-1:end", ":1-1:1", f"{_RUN}:1-1:1"),
    *(
        f"{_RUN}:0-1:1:end",
        f"{_RUN}:1-2147483648:1",
        f"{_RUN.upper()}:1-1:1",
        f"{'-' * 36}:1-1:1",
        f"{_RUN}:1-1:\u0661",
    ),
]
_HOSTILE_KEYS = ["", "\0", "'", "a'b", "$eq", "$gt", "$where", "a.b", "__proto__", "\U0001f600", "{conditions}", "%s"]
_JSON_TEXTS = [
    "",
    " ",
    "{",
    "}",
    "nul",
    "null",
    "NaN",
    "-Infinity",
    "[1,]",
    '{"a":1,"a":2}',
    '{"a":NaN}',
    '"\\u0000"',
    '{"\\u0000":1}',
    '"\\ud800"',
    '{"\\udfff":"\\ud800"}',
    '"\\ud83d\\ude00"',
    "1e309",
    "-1e400",
    "1e-99999",
    "0." + "0" * 17_000 + "1",
    "9" * 4_400,
    "1" * 400,
    "18446744073709551616",
    "[" * 65 + "]" * 65,
    "[" * 200 + "]" * 200,
    '{"a":' * 64 + "1" + "}" * 64,
    "[" * 5_000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 100_000 + "1" + "}" * 100_000,
    "[" + "0," * 30_000 + "0]",
    '{"k":"' + "x" * 70_000 + '"}',
    "{" + ",".join(f'"k{n}":{n}' for n in range(3_000)) + "}",
    "\ufeff{}",
    "{} {}",
    "// {}",
    '{"lc":2,"type":"constructor","id":["os","system"],"args":["id"]}',
    '{"$gt":{"$ne":null}}',
]


def texts() -> st.SearchStrategy[str]:
    """Texts that are dangerous somewhere, and any others."""
    return st.one_of(
        st.sampled_from(_INJECTIONS),
        st.sampled_from(_ODD),
        st.sampled_from(_LONG).map(lambda length: "x" * length),
        st.text(max_size=40),
    )


def event_ids() -> st.SearchStrategy[str]:
    """Ids that come close to those of a run's or a thread's events."""
    return st.sampled_from(_EVENT_IDS)


def integers(bits: int, *, signed: bool = True) -> st.SearchStrategy[int]:
    """The edges of the type, and numbers between them."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edges = {low, low + 1, -1, 0, 1, 2, 100, 1000, 1001, 10_000, 10_001, high - 1, high}
    return st.sampled_from(sorted(edge for edge in edges if low <= edge <= high)) | st.integers(low, high)


def jsons() -> st.SearchStrategy[str]:
    """Texts that are no JSON, or JSON that is large, deep or beyond what Postgres or Python holds; and JSON."""
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=True),
        st.sampled_from(_INJECTIONS),
        st.text(max_size=12),
    )
    keys = st.sampled_from(_HOSTILE_KEYS) | st.text(max_size=8)
    values = st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
    )
    return st.sampled_from(_JSON_TEXTS) | values.map(json.dumps)


def durations() -> st.SearchStrategy[Duration]:
    """Spans beyond the limits of a Duration, of Python and of Postgres; negative ones; signs that differ."""
    seconds = [0, 1, -1, 5, 60, 315_576_000_000, 315_576_000_001, -315_576_000_001, 10**14, 2**63 - 1, -(2**63)]
    nanos = [0, 1, -1, 999_999_999, 10**9, 2**31 - 1, -(2**31)]
    return st.builds(_span(Duration), st.sampled_from(seconds), st.sampled_from(nanos))


def timestamps() -> st.SearchStrategy[Timestamp]:
    """Moments before the year 1, behind 9999, and with nanoseconds that a Timestamp does not have."""
    seconds = [0, -1, 1_795_000_000, 4_000_000_000, -62_135_596_800, -62_135_596_801, 253_402_300_799]
    beyond = [253_402_300_800, 2**63 - 1, -(2**63), 10**17]
    return st.builds(_span(Timestamp), st.sampled_from([*seconds, *beyond]), st.sampled_from([0, 1, -1, 2**31 - 1]))


def _span(kind: Any) -> Any:
    return lambda seconds, nanos: kind(seconds=seconds, nanos=nanos)


def mutated(text: str) -> st.SearchStrategy[str]:
    """A token or an id of the server's, with something changed."""
    size = len(text)
    return st.one_of(
        st.just(text[: size // 2]),
        st.just(text + text),
        st.just(text[::-1]),
        st.just(text.swapcase()),
        st.just(f" {text}"),
        st.just(f"{text}\0"),
        st.builds(
            lambda at, put: text[: at % (size or 1)] + put + text[at % (size or 1) + 1 :],
            st.integers(0, 200),
            st.sampled_from(["A", "0", "-", ":", "/", "=", "\u00e9", "9999999999"]),
        ),
    )
