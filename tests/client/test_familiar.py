"""A user of langgraph_sdk finds its methods and parameters here, but for those that docs/parity.md names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import AssistantsClient, CronClient, RunsClient, StoreClient, ThreadsClient

from runwire.client.assistants import Assistants
from runwire.client.crons import Crons
from runwire.client.runs import Runs
from runwire.client.store import Store
from runwire.client.threads import Threads
from runwire.client.words import RunOptions

_PARITY = Path(__file__).parent.parent.parent / "docs" / "parity.md"
_PARTS: dict[str, tuple[type, type]] = {
    "assistants": (AssistantsClient, Assistants),
    "threads": (ThreadsClient, Threads),
    "runs": (RunsClient, Runs),
    "crons": (CronClient, Crons),
    "store": (StoreClient, Store),
}
# Of HTTP.
_OF_THE_WIRE = {"self", "headers", "params"}

Missing = set[tuple[str, str]]
"""Methods and their parameters; a parameter "" is the method itself."""


def _methods() -> Iterator[tuple[str, Any, Any]]:
    for part, (theirs, ours) in _PARTS.items():
        for name, method in inspect.getmembers(theirs, inspect.isfunction):
            if not name.startswith("_"):
                yield f"{part}.{name}", method, getattr(ours, name, None)


def _parameters(method: Any) -> dict[str, inspect.Parameter]:
    found = inspect.signature(method).parameters
    return {name: each for name, each in found.items() if name not in _OF_THE_WIRE}


def _names(method: Any) -> set[str]:
    parameters = _parameters(method)
    options = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return set(parameters) | (set(RunOptions.__annotations__) if options else set())


def _missing() -> Missing:
    found: Missing = set()
    for name, theirs, ours in _methods():
        absent = {""} if ours is None else set(_parameters(theirs)) - _names(ours)
        found |= {(name, parameter) for parameter in absent}
    return found


def _documented() -> Iterator[tuple[str, str]]:
    """The first column of the table in the section about langgraph_sdk: `parameters` of `methods`, or methods."""
    section = _PARITY.read_text().partition("## langgraph_sdk\n")[2].partition("\n## ")[0]
    for row in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE):
        parameters, of, methods = row.partition(" of ")
        for method in re.findall(r"`([a-z_.]+)`", methods if of else row):
            yield from ((method, parameter) for parameter in (re.findall(r"`(\w+)`", parameters) if of else [""]))


def test_what_a_method_or_a_parameter_of_theirs_became_is_documented() -> None:
    documented = list(_documented())
    assert sorted(documented) == sorted(_missing())


@pytest.mark.parametrize(
    ("theirs", "ours"), [each[1:] for each in _methods() if each[2]], ids=lambda each: each.__qualname__
)
def test_what_they_take_by_position_we_take_in_the_same_order(theirs: Any, ours: Any) -> None:
    by_position = [
        [
            name
            for name, each in _parameters(method).items()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]
        for method in (theirs, ours)
    ]
    known = [name for name in by_position[0] if name in _names(ours)]
    shared = [name for name in by_position[1] if name in known]
    assert shared == known[: len(shared)]
