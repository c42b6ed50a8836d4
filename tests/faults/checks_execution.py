"""What user code really did, by its journal, against what Postgres let it write: I2, I3, I4, I5, I8 and I13."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.case import FINAL, Case, Finding
from tests.faults.evidence import Change, Logged, Saved
from tests.faults.journal import Line


def code_of_one_runs(case: Case) -> Iterator[Finding]:
    """No two runs of a thread execute nodes at once, stale owners aside."""
    spans: dict[str, list[tuple[int, int, Line]]] = defaultdict(list)
    for lines in case.lines.values():
        for span in _node_spans([line for line in lines if not case.is_stale_owner(line)]):
            spans[span[2].thread_id].append(span)
    for thread_id, found in spans.items():
        found.sort(key=lambda span: span[0])
        latest = found[0]
        for span in found[1:]:
            if span[0] < latest[1] and span[2].run_id != latest[2].run_id:
                text = f"nodes of {latest[2].run_id} and {span[2].run_id} ran at once on thread {thread_id}"
                yield Finding(text, thread_id=thread_id)
            latest = max(latest, span, key=lambda each: each[1])


def _node_spans(lines: list[Line]) -> Iterator[tuple[int, int, Line]]:
    """From the first to the last line of each execution of a node."""
    by_execution: dict[tuple[int, int, str], list[Line]] = defaultdict(list)
    for line in lines:
        by_execution[line.pid, line.attempt, line.node].append(line)
    for those in by_execution.values():
        yield those[0].at, those[-1].at, those[0]


def no_stale_writes(case: Case) -> Iterator[Finding]:
    """Events, checkpoints and values are written by the holder of a run's newest claim while the run is running."""
    evidence = case.evidence
    state: dict[str, Change] = {}
    moments: list[Change | Logged | Saved] = [*evidence.changes, *evidence.logged, *evidence.saved]
    for each in sorted(moments, key=lambda moment: moment.seq):
        if isinstance(each, Change):
            state[each.run_id] = each
        elif each.run_id is not None and each.run_id in state:
            now = state[each.run_id]
            if text := _stale(each, now):
                text = f"{text}, which was {now.status}, claim {now.claim}, attempt {now.attempts}"
                yield Finding(text, each.run_id)
    yield from _stale_values(case)


def _stale(write: Logged | Saved, now: Change) -> str:
    if isinstance(write, Logged):
        held = write.claim == now.claim
        what = f"claim {write.claim} logged events of run {write.run_id}"
    else:
        held = write.attempt in (now.attempts, None)
        what = f"attempt {write.attempt} wrote a checkpoint of run {write.run_id}"
    return "" if held and now.status == "running" else what


def _stale_values(case: Case) -> Iterator[Finding]:
    ends = {(change.tx, change.thread_id) for change in case.evidence.changes if change.status in FINAL}
    updated = {entry["thread"] for entry in case.evidence.of("updated", "update unknown")}
    for _, tx, thread_id in case.evidence.value_changes:
        if (tx, thread_id) not in ends and thread_id not in updated:
            yield Finding(f"values of thread {thread_id} changed though no run ended", thread_id=thread_id)


def applied_once(case: Case) -> Iterator[Finding]:
    """Inputs, answers and steps are in a thread's values once each; those of runs that succeeded are all there."""
    yield from _repeated(case)
    for run_id, created in case.created.items():
        row, values = case.evidence.rows.get(run_id), case.evidence.values.get(created["thread"])
        if row is None or row.status != "success" or not created["thread"] or not created["token"]:
            continue
        values = values if isinstance(values, dict) else {}
        if created["token"] not in values.get("inputs", ()):
            yield Finding(f"thread {created['thread']} has no input of {run_id}, which succeeded", run_id)
        if created["graph"] == "steps":
            wanted = [f"{created['token']}/{number}" for number in range(created["does"]["steps"])]
            if [text for text in values.get("done", ()) if text.partition("/")[0] == created["token"]] != wanted:
                yield Finding(f"thread {created['thread']} does not have the steps of {run_id} in order", run_id)
    for entry in case.evidence.of("updated"):
        values = case.evidence.values.get(entry["thread"])
        if not isinstance(values, dict) or values.get("inputs", []).count(entry["token"]) != 1:
            yield Finding(f"an acknowledged update of thread {entry['thread']} is lost", thread_id=entry["thread"])


def _repeated(case: Case) -> Iterator[Finding]:
    ticks = Counter(row.thread_id for row in case.evidence.rows.values() if row.cron_id is not None)
    for thread_id, values in case.evidence.values.items():
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
    for run_id, row in case.evidence.rows.items():
        if row.attempts > 3:
            yield Finding(f"run {run_id} has {row.attempts} attempts", run_id)


def nothing_runs_after_cancel(case: Case) -> Iterator[Finding]:
    """Once a run is CANCELLED, or undone, none of its code runs: the journal has no later line, stale owners aside."""
    for run_id, lines in case.lines.items():
        ends = [
            c for c in case.changes.get(run_id, []) if c.status == "cancelled" or (c.status is None and c.old_status)
        ]
        if not ends:
            continue
        late = [line for line in lines if line.at > ends[0].at and not case.is_stale_owner(line)]
        if late:
            after = (late[0].at - ends[0].at) / 1e6
            text = f"run {run_id} was cancelled; {after:.1f} ms later {late[0].node} {late[0].event} in {late[0].pid}"
            yield Finding(text, run_id)


def drains_lose_nothing(case: Case) -> Iterator[Finding]:
    """What a draining worker gives back uses up no attempt."""
    draining = {life.worker_id: life for life in case.evidence.lives if life.event == "draining"}
    for run_id, changes in case.changes.items():
        for change in changes:
            life = draining.get(change.old_worker_id or "")
            if life is None or life.seq > change.seq or change.old_status != "running" or change.status != "pending":
                continue
            if change.attempts >= change.old_attempts and not case.is_disturbed(change.at):
                yield Finding(f"the drain of worker {life.worker_id} used up an attempt of {run_id}", run_id)
