"""What Redis holds, what bad input does, and whether everything is as small as it was: I10, I12 and I14."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.faults.case import Case, Finding

# What a process may have more at the end than at the beginning, and the pools that keep what they have once opened.
_MORE = {"tasks": 6, "files": 12, "redis": 3, "postgres": 0}
_POOLS = {
    "resource": {"postgres": 10},
    "dispatch": {"postgres": 10, "redis": 32},
    "stream": {"postgres": 10},
    "worker": {"postgres": 13, "redis": 64},
}
_MORE_MEGABYTES = 40
_STREAM_REDIS_CONNECTIONS = 6


def redis_holds_hints(case: Case) -> Iterator[Finding]:
    """No key but those of the design, and no user data in any."""
    for entry in case.evidence.of("redis"):
        yield Finding(f"Redis holds {entry['key']}: {entry['why']}")


def bad_input_changes_nothing(case: Case) -> Iterator[Finding]:
    """It gets INVALID_ARGUMENT with every wrong field, and leaves neither a run nor a thread."""
    for entry in case.evidence.of("bad request"):
        if entry["code"] != "INVALID_ARGUMENT" or entry["fields"] != entry["wrong"]:
            yield Finding(f"a bad request was answered {entry['code']} {entry.get('fields')}, not {entry['wrong']}")
        if entry["run"] in case.evidence.rows or entry["thread"] in case.evidence.values:
            yield Finding(f"a bad request left run {entry['run']} or thread {entry['thread']}", entry["run"])


def strangers_learn_nothing(case: Case) -> Iterator[Finding]:
    """Another tenant is told of a run or thread what it is told of one that does not exist."""
    for entry in case.evidence.of("stranger"):
        if entry["told"] != entry["unknown"]:
            text = f"{entry['method']} told a stranger {entry['told']!r}, and {entry['unknown']!r} of what is not there"
            yield Finding(text, entry["run"])


def no_internals(case: Case) -> Iterator[Finding]:
    """No call is answered INTERNAL."""
    for entry in case.evidence.of("internal"):
        yield Finding(f"{entry['method']} was answered {entry['reason']}: {entry['text']}")


def nothing_surprises(case: Case) -> Iterator[Finding]:
    """No process ends by itself, and none stays when it is told to end."""
    for entry in case.evidence.of("died"):
        yield Finding(f"{entry['name']} ended by itself: {entry['words']}")
    for entry in case.evidence.of("undrained"):
        yield Finding(f"{entry['name']} did not end in {entry['seconds']} s when it was told to: {entry['words']}")


def streams_stay_small(case: Case) -> Iterator[Finding]:
    """A Stream process has a few connections to Redis, however many streams it serves."""
    most: dict[str, int] = case.evidence.figures.get("most redis connections", {})
    for name, count in most.items():
        if name.startswith("stream") and count > _STREAM_REDIS_CONNECTIONS:
            yield Finding(f"{name} had {count} connections to Redis")


def back_at_the_baseline(case: Case) -> Iterator[Finding]:
    """Tasks, files, connections and memory are at the end what they were before the load."""
    before: dict[str, Any] = case.evidence.figures.get("before", {})
    after: dict[str, Any] = case.evidence.figures.get("after", {})
    for part, figures in after.items():
        if part not in before:
            continue
        for name, more in _MORE.items():
            was, now = before[part].get(name, 0), figures.get(name, 0)
            if now > max(was + more, _POOLS.get(part, {}).get(name, 0)):
                yield Finding(f"a {part} has {now} {name} at the end, and had {was}")
        if figures.get("megabytes", 0) > before[part].get("megabytes", 0) + _MORE_MEGABYTES:
            yield Finding(f"a {part} has {figures['megabytes']} MB at the end, and had {before[part]['megabytes']}")
