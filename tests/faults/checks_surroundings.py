"""What Redis holds, what bad input does, and whether everything is as small as it was: I10, I12 and I14."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.faults.case import Case, Finding

# What a process may have more at rest than it had before.
_MORE = {
    "tasks": 6,
    "files": 12,
    "megabytes": 40,
    "postgres in use": 1,
    "redis in use": 1,
    "postgres astray": 0,
    "redis astray": 1,
}
# What it may have more under load, for as long as that is.
_MORE_MEGABYTES_UNDER_LOAD = 100
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


def processes_stay_small(case: Case) -> Iterator[Finding]:
    """Under load too: in memory, and a Stream process in connections to Redis, however many streams it serves."""
    figures = case.evidence.figures
    for name, most in figures.get("most", {}).items():
        part = name.partition("-")[0]
        if part == "stream" and most["redis"] > _STREAM_REDIS_CONNECTIONS:
            yield Finding(f"{name} had {most['redis']} connections to Redis")
        at_rest = figures.get("before", {}).get(part, {}).get("megabytes", 0)
        if most["megabytes"] > at_rest + _MORE_MEGABYTES_UNDER_LOAD:
            yield Finding(f"{name} had {most['megabytes']} MB, and {at_rest} at rest")


def back_at_the_baseline(case: Case) -> Iterator[Finding]:
    """Tasks, files, connections and memory are at the end what they were before the load."""
    before, after = (case.evidence.figures.get(when, {}) for when in ("before", "after"))
    if not before:
        yield Finding("nothing was measured before the load")
    for part, was in before.items():
        yield from _grown(f"a {part}", was, after.get(part, {}))


def nothing_is_left_behind(case: Case) -> Iterator[Finding]:
    """A process that lives on has no more at rest after a stretch of load than before it."""
    steady = case.evidence.figures.get("steady")
    if steady is None:
        return
    before, after = steady["before"], steady["after"]
    if not before:
        yield Finding("nothing was measured before the last stretch")
    for name, was in before.items():
        # An executor may be gone: some code is to kill it.
        if "/" not in name or name in after:
            yield from _grown(name, was, after.get(name, {}))
            if name in after and after[name]["pid"] != was["pid"]:
                yield Finding(f"{name} is another process than before the last stretch")


def _grown(name: str, was: Mapping[str, float], now: Mapping[str, float]) -> Iterator[Finding]:
    for figure, more in _MORE.items():
        if figure not in was or figure not in now:
            yield Finding(f"{name} did not tell its {figure}")
        elif now[figure] > was[figure] + more:
            yield Finding(f"{name} has {now[figure]} {figure}, and had {was[figure]}")
