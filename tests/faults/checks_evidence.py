"""Whether there is something to judge: what did not happen, or was not noted, can break nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.faults.case import Case, Finding

# A story that is to be played so often on average does not stay away by chance.
_SURE = 12
_NOTES = {
    "stranger": "stranger",
    "bad_request": "bad request",
    "cron": "cron created",
    "webhook": "notified",
    "listened": "listened",
    "deleted": "deleted",
}


def all_is_noted(case: Case) -> Iterator[Finding]:
    """Of each run that succeeded there are the code's notes, a checkpoint and logged events; readers have read."""
    evidence = case.evidence
    logged = {each.run_id for each in evidence.logged}
    for run_id in case.created:
        row = case.rows.get(run_id)
        if row is None or row.status != "success":
            continue
        if run_id not in case.lines:
            yield Finding(f"run {run_id} succeeded, and none of its code was executed", run_id)
        if run_id not in case.saved:
            yield Finding(f"run {run_id} succeeded, and wrote no checkpoint", run_id)
        if run_id not in logged and case.is_logged(run_id):
            yield Finding(f"run {run_id} succeeded, and logged no events", run_id)
    if not case.created:
        yield Finding("no run was created")
    for replay in (False, True):
        if not any(entry["replay"] == replay and entry["parts"] for entry in evidence.of("read")):
            yield Finding("no run was read again" if replay else "no run was followed")
    if not evidence.figures.get("redis keys looked at"):
        yield Finding("no key of Redis was looked at")


def all_was_played(case: Case) -> Iterator[Finding]:
    """Each story that was asked for was played, and left what it leaves, unless it was too short a time."""
    weights = case.evidence.weights
    played = Counter(entry["name"] for entry in case.evidence.of("story"))
    for name, weight in weights.items():
        if not played[name] and played.total() * weight / sum(weights.values()) >= _SURE:
            yield Finding(f"the story {name} was never played")
        if played[name] and name in _NOTES and not any(case.evidence.of(_NOTES[name])):
            yield Finding(f"the story {name} was played, and left no note")
