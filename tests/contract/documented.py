"""What the comments of the protos say about errors, in the one form that they may have.

    Errors: INVALID_ARGUMENT; NOT_FOUND THREAD_NOT_FOUND, RUN_NOT_FOUND (a note); as GetThreadState.

is part of an RPC's comment. The comment of a reason says its code first, what ErrorInfo's metadata has, and whether any
RPC may answer with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grpc

_PROTOS = Path(__file__).parent.parent.parent / "protos" / "runwire" / "api"
_REASONS = _PROTOS / "type" / "v1" / "error_reason.proto"

_RPC = re.compile(r"((?:^ *//.*\n)*) *rpc (\w+)\(.*?returns \((stream )?", re.MULTILINE)
_VALUE = re.compile(r"((?:^ *//.*\n)+) *ERROR_REASON_(\w+) =", re.MULTILINE)
_NOTE = re.compile(r"\s*\([^()]*\)")
_SENTENCE = re.compile(r"Errors: (.*?)\.(?:\s|$)")
_AS = re.compile(r"as (\w+)")
_CODE = re.compile(r"([A-Z_]+)(?: ([A-Z_]+(?:, [A-Z_]+)*))?")
_METADATA = re.compile(r"metadata: ([a-z_]+(?:, [a-z_]+)*)[.,]")
_ANY_RPC = re.compile(r"\bAny (unary )?RPC(?: but (\w+))?\.")

WRONG = "INVALID_ARGUMENT"
"""The code that an RPC documents without reasons: which there are depends on its fields."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A value of ErrorReason; `metadata` are the keys in ErrorInfo, `rpcs` those that may all answer with it."""

    code: grpc.StatusCode
    metadata: frozenset[str]
    rpcs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Documented:
    """An RPC's errors: reasons, and WRONG. `index` is in the metadata of a batch."""

    errors: frozenset[str]
    has_index: bool


@cache
def reasons() -> dict[str, Reason]:
    """Every reason that may be sent, by its name without prefix."""
    found = {}
    for comment, name in _VALUE.findall(_REASONS.read_text()):
        if name != "UNSPECIFIED":
            text = _text(comment)
            code = grpc.StatusCode[text.partition(":")[0]]
            keys = _METADATA.search(text)
            found[name] = Reason(code, frozenset(keys[1].split(", ") if keys else ()), _any_rpc(text))
    return found


@cache
def errors_of(rpc: str) -> Documented:
    """What an RPC's comment says, and what is said of any RPC. Raises ValueError for another form."""
    comment = _comments()[rpc]
    named = frozenset(_named(rpc, comment))
    anywhere = {name for name, reason in reasons().items() if rpc in reason.rpcs}
    return Documented(named | anywhere, "`index`" in comment)


def rpcs() -> set[str]:
    """Every RPC with a comment or without."""
    return set(_comments())


@cache
def _comments() -> dict[str, str]:
    return {name: _text(comment) for comment, name, _ in _declared()}


def _declared() -> Iterator[tuple[str, str, str]]:
    for file in sorted(_PROTOS.rglob("*.proto")):
        yield from _RPC.findall(file.read_text())


def _text(comment: str) -> str:
    return " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())


def _any_rpc(text: str) -> frozenset[str]:
    said = _ANY_RPC.search(text)
    if said is None:
        return frozenset()
    unary_only, but = said[1], said[2]
    return frozenset(name for _, name, streams in _declared() if not (unary_only and streams) and name != but)


def _named(rpc: str, comment: str) -> Iterator[str]:
    sentence = _SENTENCE.search(_NOTE.sub("", comment))
    if sentence is None:
        raise ValueError(f"{rpc} says nothing about errors")
    for part in sentence[1].split("; "):
        if other := _AS.fullmatch(part):
            yield from _named(other[1], _comments()[other[1]])
        else:
            yield from _of_one_code(rpc, part)


def _of_one_code(rpc: str, part: str) -> Iterator[str]:
    said = _CODE.fullmatch(part)
    if said is None or (said[2] is None) != (said[1] == WRONG):
        raise ValueError(f"{rpc}: {part!r} is neither a code with its reasons nor INVALID_ARGUMENT alone")
    if said[2] is None:
        yield WRONG
        return
    for name in said[2].split(", "):
        if reasons()[name].code.name != said[1]:
            raise ValueError(f"{rpc}: {name} is not {said[1]}")
        yield name
