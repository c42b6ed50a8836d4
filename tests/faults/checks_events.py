"""What followers got, against one another and against the log: I6 and I7."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.faults.case import SECOND, Case, Finding
from tests.faults.evidence import RunLog
from tests.faults.reading import Part, place_of

_REPLAY_SECONDS = 5
_END_SECONDS = 8
# A stream through a dead network ends after some seconds, and another begins when the network is back.
_STREAM_RECOVERY = 9 * SECOND


def nothing_twice_or_late(case: Case) -> Iterator[Finding]:
    """No event comes twice or too late, and where one is missing there is a Gap."""
    for entry in case.evidence.of("read"):
        at = place_of(entry["after"]) if entry["after"] else (0, 0)
        said = False
        for part in entry["parts"]:
            if part[0] == "gap":
                said = True
                continue
            claim, first, last, _ = part
            if (claim, first) <= at:
                yield Finding(f"a reader of {entry['run']} got {claim}-{first} after {at[0]}-{at[1]}", entry["run"])
            expected = at[1] + 1 if claim == at[0] else 1
            if first > expected and not said:
                text = f"a reader of {entry['run']} got {claim}-{first} after {at[0]}-{at[1]}, and no Gap between"
                yield Finding(text, entry["run"])
            at, said = (claim, last), False


def one_run_after_another(case: Case) -> Iterator[Finding]:
    """A thread's stream has the events of one run after another, in the order in which they began.

    A run that ended before it began has its place by its end.
    """
    places = {change.run_id: change.place for change in case.evidence.changes if change.place is not None}
    for entry in case.evidence.of("listened"):
        told = [places.get(run) for run in entry["runs"]]
        if not all(one is not None and other is not None and one < other for one, other in pairwise([0, *told])):
            text = f"a listener to thread {entry['thread']} got its runs in another order: {entry['runs']}"
            yield Finding(text, thread_id=entry["thread"])


def complete(case: Case) -> Iterator[Finding]:
    """A reader who read to the end has all that the log has of the final attempt, and the end that the run had."""
    for entry in case.evidence.of("read"):
        if entry["finished"] is None:
            continue
        run_id = entry["run"]
        row, log = case.rows.get(run_id), case.evidence.logs.get(run_id, RunLog())
        if row is None:
            if entry["finished"] not in ("rolled back", "cancelled"):
                yield Finding(f"a reader was told that {run_id} is {entry['finished']}, and it is gone", run_id)
            continue
        if entry["finished"] != row.status:
            yield Finding(f"a reader was told that {run_id} is {entry['finished']}, and it is {row.status}", run_id)
        final = log.finished[0] if log.finished else row.claim
        missing = list(_missing(entry, final, log.stretches.get(final, [])))
        # A Gap is for what the log does not have, so it excuses nothing here.
        if missing:
            yield Finding(f"a reader of {run_id} never got {final}-{missing[0]} and {len(missing) - 1} more", run_id)


def _missing(entry: dict[str, Any], claim: int, stretches: list[tuple[int, int]]) -> Iterator[int]:
    """The numbers of a claim that are in the log and that a reader has not got."""
    after = place_of(entry["after"]) if entry["after"] else (0, 0)
    got = [part for part in entry["parts"] if part[0] == claim]
    for first, last in stretches:
        for seq in range(first, last + 1):
            if (claim, seq) > after and not any(part[1] <= seq <= part[2] for part in got):
                yield seq


def logged_to_the_end(case: Case) -> Iterator[Finding]:
    """The log has no holes, and of a run that its worker ended it has the end, by the claim that ended it."""
    for run_id, log in case.evidence.logs.items():
        for claim, stretches in log.stretches.items():
            if len(stretches) > 1 or stretches[0][0] != 1:
                yield Finding(f"the log of {run_id} has holes in claim {claim}: {stretches}", run_id)
    for run_id, row in case.evidence.rows.items():
        finished = case.evidence.logs.get(run_id, RunLog()).finished
        if finished is not None and finished[0] != row.claim:
            yield Finding(f"the end of {run_id} was logged by claim {finished[0]} of {row.claim}", run_id)
        if finished is None and row.status in ("success", "interrupted") and case.is_logged(run_id):
            yield Finding(f"run {run_id} is {row.status}, and its log has no end", run_id)


def what_is_read_is_logged(case: Case) -> Iterator[Finding]:
    """Of the attempt that ended a run, nobody has read what its log does not have."""
    for entry in case.evidence.of("read"):
        log = case.evidence.logs.get(entry["run"], RunLog())
        if log.finished is None:
            continue
        final, held = log.finished[0], log.stretches[log.finished[0]]
        for part in entry["parts"]:
            if part[0] == final and not any(first <= part[1] and part[2] <= last for first, last in held):
                text = f"a reader of {entry['run']} got {part[0]}-{part[1]} to {part[0]}-{part[2]}, its log has {held}"
                yield Finding(text, entry["run"])


def as_logged(case: Case) -> Iterator[Finding]:
    """The same event is the same for every reader, and as the log has it."""
    told: dict[tuple[str, int, int, int], str] = {}
    for entry in case.evidence.of("read"):
        log = case.evidence.logs.get(entry["run"], RunLog())
        for part in entry["parts"]:
            if part[0] != "gap" and not _is_derived_end(case, entry["run"], part):
                key = (entry["run"], *part[:3])
                # Of an earlier attempt, the log may lack what was published.
                digests = {part[3], log.digests.get(tuple(part[:3]), part[3]), told.setdefault(key, part[3])}
                if len(digests) > 1:
                    text = f"events {part[0]}-{part[1]} to {part[0]}-{part[2]} of {entry['run']} differ between readers"
                    yield Finding(text, entry["run"])


def _is_derived_end(case: Case, run_id: str, part: Part) -> bool:
    """Whether it is the end of a run that no worker ended, which has no place in the log."""
    row = case.rows.get(run_id)
    return part[1:3] == [1, 1] and (row is None or part[0] == row.claim + 1)


def every_stream_ends(case: Case) -> Iterator[Finding]:
    """A stream ends with `finished`, or with a status that tells how to go on."""
    for entry in case.evidence.of("read"):
        if entry["finished"] is not None or entry["left"]:
            continue
        last = entry["ends"][-1] if entry["ends"] else "nothing"
        gone = last == "NOT_FOUND RUN_NOT_FOUND" and entry["run"] not in case.evidence.rows
        if not gone:
            yield Finding(f"a reader of {entry['run']} was left with {last}: {entry['ends']}", entry["run"])


def streams_end_in_time(case: Case) -> Iterator[Finding]:
    """What ended a run's stream early, or kept it from ending soon after its run, was done to the stream."""
    for entry in case.evidence.of("read"):
        run_id, until = entry["run"], entry["until"]
        if entry["replay"]:
            seconds = (until - entry["at"]) / SECOND
            if entry["ends"] != ["OK"] or seconds > _REPLAY_SECONDS:
                yield Finding(f"a reader of {run_id}, long ended, took {seconds:.1f} s: {entry['ends']}", run_id)
            continue
        for begun, ended in entry["broken"]:
            if not case.troubled(case.of_streams, begun, ended, after=_STREAM_RECOVERY):
                text = (
                    f"a stream of {run_id} broke after {(ended - begun) / SECOND:.1f} s, and nothing was wrong with it"
                )
                yield Finding(text, run_id)
        calm = max(
            entry["last"],
            case.ended_at.get(run_id, until),
            case.last_trouble(case.of_streams, until) + _STREAM_RECOVERY,
        )
        if not entry["slow"] and until - calm > _END_SECONDS * SECOND:
            text = f"a stream of {run_id} ended {(until - calm) / SECOND:.1f} s late"
            yield Finding(text, run_id)
