"""What user code really did, by its journal, against what Postgres let it write: I2, I3, I4, I5 and I8."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tests.faults.case import FINAL, Case, Finding
from tests.faults.evidence import Change, Logged, Saved, Written
from tests.faults.journal import Line


def code_of_one_runs(case: Case) -> Iterator[Finding]:
    """No two runs of a thread execute nodes at once, nor two processes the same run, stale owners aside."""
    spans: dict[str, list[tuple[int, int, Line]]] = defaultdict(list)
    for lines in case.lines.values():
        for span in _node_spans([line for line in lines if not case.is_stale_owner(line)]):
            spans[span[2].thread_id].append(span)
    for thread_id, found in spans.items():
        found.sort(key=lambda span: span[0])
        latest = found[0]
        for span in found[1:]:
            one, other = latest[2], span[2]
            if span[0] < latest[1] and (one.run_id, one.pid) != (other.run_id, other.pid):
                text = f"nodes of {one.run_id} in {one.pid} and of {other.run_id} in {other.pid} ran at once"
                yield Finding(f"{text} on thread {thread_id}", thread_id=thread_id)
            latest = max(latest, span, key=lambda each: each[1])


def _node_spans(lines: list[Line]) -> Iterator[tuple[int, int, Line]]:
    """From the first to the last line of each execution of a node."""
    by_execution: dict[tuple[int, int, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_execution[line.pid, line.attempt, line.node].append(line)
    for those in by_execution.values():
        yield those[0].at, those[-1].at, those[0]


def no_stale_writes(case: Case) -> Iterator[Finding]:
    """Events and checkpoints are written by the holder of a run's newest claim while the run is running."""
    evidence = case.evidence
    state: dict[str, Change] = {}
    moments: list[Change | Logged | Saved | Written] = [
        *evidence.changes,
        *evidence.logged,
        *evidence.saved,
        *evidence.written,
    ]
    for each in sorted(moments, key=lambda moment: moment.seq):
        if isinstance(each, Change):
            state[each.run_id] = each
        elif each.run_id is not None and each.run_id in state:
            now = state[each.run_id]
            if text := _stale(each, now):
                text = f"{text}, which was {now.status}, claim {now.claim}, attempt {now.attempts}"
                yield Finding(text, each.run_id)
    for thread_id in evidence.stray_blobs:
        yield Finding(
            f"values of channels of thread {thread_id} were written without a checkpoint", thread_id=thread_id
        )


def _stale(write: Logged | Saved | Written, now: Change) -> str:
    if now.status == "running" and (isinstance(write, Written) or write.claim == now.claim):
        return ""
    if isinstance(write, Written):
        return f"somebody wrote for run {write.run_id}"
    what = "logged events" if isinstance(write, Logged) else "wrote a checkpoint"
    return f"claim {write.claim} {what} of run {write.run_id}"


def values_change_at_ends(case: Case) -> Iterator[Finding]:
    """A thread's values change in the transaction of a run's end, or of an update."""
    allowed = {(change.tx, change.thread_id) for change in case.evidence.changes if change.status in FINAL}
    allowed |= case.evidence.updates
    for _, tx, thread_id in case.evidence.value_changes:
        if (tx, thread_id) not in allowed:
            yield Finding(f"values of thread {thread_id} changed though no run ended", thread_id=thread_id)


def applied_once(case: Case) -> Iterator[Finding]:
    """Inputs, answers and steps are in a thread's values once each; those of runs that succeeded are all there."""
    yield from _repeated(case)
    for run_id, created in case.created.items():
        row = case.rows.get(run_id)
        if row is None or row.status not in ("success", "interrupted"):
            continue
        values: Any = case.evidence.values.get(created["thread"]) if created["thread"] else row.output
        values = values if isinstance(values, dict) else {}
        if created["token"] and created["token"] not in values.get("inputs", ()):
            yield Finding(f"there is no input of {run_id}, which is {row.status}", run_id)
        if row.status == "success" and not _is_done(created, values.get("done", ())):
            yield Finding(f"there is not what {run_id}, which succeeded, has to leave: {created['leaves']}", run_id)
    for entry in case.evidence.of("updated"):
        values = case.evidence.values.get(entry["thread"])
        if not isinstance(values, dict) or values.get("inputs", []).count(entry["token"]) != 1:
            yield Finding(f"an acknowledged update of thread {entry['thread']} is lost", thread_id=entry["thread"])


def _is_done(created: dict[str, Any], done: list[str]) -> bool:
    """Whether all that the run leaves is there, in order where its graph has one."""
    wanted = created["leaves"]
    found = [text for text in done if text in wanted]
    return sorted(found) == sorted(wanted) if created["graph"] == "parallel" else found == wanted


def _repeated(case: Case) -> Iterator[Finding]:
    ticks = Counter(row.thread_id for row in case.rows.values() if row.cron_id is not None)
    outputs = {run_id: row.output for run_id, row in case.rows.items() if row.thread_id is None}
    for thread_id, values in (case.evidence.values | outputs).items():
        if not isinstance(values, dict):
            continue
        for text, count in Counter([*values.get("inputs", ()), *values.get("done", ())]).items():
            # Each tick of a cron brings the same input.
            if count > max(1, ticks[thread_id]):
                yield Finding(f"{text} is {count} times in the values of thread {thread_id}", thread_id=thread_id)


def checkpointed_not_repeated(case: Case) -> Iterator[Finding]:
    """A step whose checkpoint was written when a claim began is not begun under that claim."""
    for run_id, lines in case.lines.items():
        created = case.created.get(run_id)
        claims = [change for change in case.changes.get(run_id, []) if _is_claim(change)]
        if created is None or len(claims) < 2:
            continue
        for line in lines:
            if line.event != "begin" or not line.node.startswith("step") or case.is_stale_owner(line):
                continue
            own = [claim for claim in claims if claim.attempts == line.attempt and claim.at <= line.at]
            if own and int(line.node.removeprefix("step")) <= _last_saved(case, run_id, created["token"], own[-1].seq):
                yield Finding(f"{line.node} of {run_id} was begun again though its checkpoint was written", run_id)


def _is_claim(change: Change) -> bool:
    return change.status == "running" and change.old_status == "pending"


def _last_saved(case: Case, run_id: str, token: str, before: int) -> int:
    steps = [s.step for s in case.saved[run_id] if s.seq < before and s.token == token and s.step is not None]
    return max(steps, default=-1)


def three_attempts(case: Case) -> Iterator[Finding]:
    """No run is begun more than three times, other than after being given back uncounted."""
    for run_id, lines in case.lines.items():
        begun = {(line.pid, line.attempt) for line in lines}
        returned = sum(
            change.old_status == "running" and change.status == "pending" and change.attempts < change.old_attempts
            for change in case.changes.get(run_id, [])
        )
        if len(begun) > 3 + returned or any(not 1 <= line.attempt <= 3 for line in lines):
            yield Finding(f"run {run_id} was begun {len(begun)} times, {returned} of them uncounted", run_id)
    for run_id, row in case.rows.items():
        if row.attempts > 3:
            yield Finding(f"run {run_id} has {row.attempts} attempts", run_id)


def nothing_runs_after_the_end(case: Case) -> Iterator[Finding]:
    """Once a run has ended, or is undone, none of its code runs: the journal has no later line, stale owners aside."""
    for run_id, lines in case.lines.items():
        end = case.ended_at.get(run_id)
        late = [line for line in lines if end is not None and line.at > end and not case.is_stale_owner(line)]
        if end is not None and late:
            after = (late[0].at - end) / 1e6
            text = f"run {run_id} had ended; {after:.1f} ms later {late[0].node} {late[0].event} in {late[0].pid}"
            yield Finding(text, run_id)
