"""The checker finds each violation, by name, in small histories that are forged; a sound one it leaves alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import CHECKS, check
from tests.faults.evidence import Change, Evidence, Life, Logged, Row, RunLog, Saved
from tests.faults.journal import Line

SECOND = 1_000_000_000
RUN, THREAD, TOKEN, WORKER = "run-1", "thread-1", "campaign-input-1", "worker-1"


def creation(run_id: str = RUN, at: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """A creation that was asked for and acknowledged, at these seconds."""
    fields = {
        "at": at * SECOND,
        "until": at * SECOND + 1000,
        "run": run_id,
        "thread": THREAD,
        "graph": "steps",
        "token": TOKEN,
        "does": {"steps": 2},
        "strategy": "enqueue",
        "expects": ["success"],
        **changes,
    }
    return [{"op": "creating", **fields}, {"op": "created", **fields}]


def change(seq: int, old: str | None, new: str | None, run_id: str = RUN, **changes: Any) -> Change:
    """A change of a run's row, at that second."""
    fields: dict[str, Any] = {
        "claim": 1,
        "old_claim": 1,
        "attempts": 1,
        "old_attempts": 1,
        "thread_id": THREAD,
        "tx": seq,
    }
    return Change(seq=seq, at=seq * SECOND, run_id=run_id, old_status=old, status=new, **{**fields, **changes})


def line(at: float, node: str = "step0", event: str = "begin", **changes: Any) -> Line:
    """A line of the journal, at that second."""
    fields: dict[str, Any] = {
        "pid": 100,
        "parent": 10,
        "version": "1",
        "run_id": RUN,
        "thread_id": THREAD,
        "attempt": 1,
    }
    return Line(at=round(at * SECOND), node=node, event=event, **{**fields, **changes})


def reading(*parts: list[Any], finished: str | None = "success", **changes: Any) -> dict[str, Any]:
    """What a follower got."""
    fields = {"after": "", "left": False, "ends": ["OK"], "at": 0, "until": 20 * SECOND}
    return {"op": "read", "run": RUN, "parts": list(parts), "finished": finished, **fields, **changes}


def entry(op: str, **fields: Any) -> dict[str, Any]:
    """Another entry of the history."""
    return {"op": op, "at": 5 * SECOND, "until": 6 * SECOND, "run": RUN, **fields}


def sound() -> Evidence:
    """A run that was created, ran its two steps, was read and ended well."""
    return Evidence(
        history=[
            *creation(),
            entry("ended", status="success"),
            reading([1, 1, 4, "d"]),
            reading([1, 3, 4, "e"], after="1-2"),
        ],
        changes=[
            change(1, None, "pending", claim=0, attempts=0),
            change(2, "pending", "running", old_claim=0, old_attempts=0, worker_id=WORKER),
            change(9, "running", "success", old_worker_id=WORKER),
        ],
        journal=[line(2.1), line(3, event="end"), line(4, "step1"), line(5, "step1", "end")],
        saved=[Saved(seq=4, run_id=RUN, attempt=1, token=TOKEN, step=0)],
        logged=[Logged(seq=5, run_id=RUN, claim=1, first=1, last=4)],
        logs={RUN: RunLog(stretches={1: [(1, 4)]}, digests={(1, 1, 4): "d"}, finished=(1, 4))},
        rows={RUN: Row(status="success", thread_id=THREAD)},
        values={THREAD: {"inputs": [TOKEN], "done": [f"{TOKEN}/0", f"{TOKEN}/1"]}},
        value_changes=[(9, 9, THREAD)],
        figures={"before": {"stream": {"tasks": 8}}, "after": {"stream": {"tasks": 9}}},
    )


def test_a_sound_history_passes() -> None:
    assert check(sound()) == []


Forgery = Callable[[Evidence], None]
FORGERIES: list[tuple[str, str, Forgery]] = []


def forges(invariant: str) -> Callable[[Forgery], Forgery]:
    """Registers what breaks an invariant."""

    def register(forgery: Forgery) -> Forgery:
        FORGERIES.append((invariant, forgery.__name__, forgery))
        return forgery

    return register


@forges("I1")
def an_acknowledged_run_is_lost(evidence: Evidence) -> None:
    evidence.rows.clear()
    evidence.changes.clear()


@forges("I1")
def a_run_never_ends(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="running", thread_id=THREAD)


@forges("I1")
def a_run_ends_twice(evidence: Evidence) -> None:
    evidence.changes += [change(10, "success", "pending"), change(11, "pending", "success")]


@forges("I1")
def a_run_is_removed_unasked(evidence: Evidence) -> None:
    evidence.changes[-1] = change(9, "running", None)
    evidence.rows.clear()


@forges("I1")
def a_good_run_ends_in_error(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="error", error_type="ConnectionResetError", thread_id=THREAD)


@forges("I1")
def attempts_are_exhausted_too_early(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="error", error_type="AttemptsExhausted", attempts=3, thread_id=THREAD)


@forges("I1")
def a_wait_tells_another_end(evidence: Evidence) -> None:
    evidence.history.append(entry("ended", status="error"))


@forges("I1")
def a_cron_ticks_twice_at_once(evidence: Evidence) -> None:
    evidence.history += [
        entry("cron created", cron="cron-1", thread=THREAD, every=2),
        entry("cron disabled", cron="cron-1"),
    ]
    evidence.rows |= {f"tick-{number}": Row(status="success", cron_id="cron-1") for number in range(3)}


@forges("I2")
def two_runs_of_a_thread_are_running(evidence: Evidence) -> None:
    evidence.changes[2:2] = [change(3, "pending", "running", "run-2"), change(4, "running", "success", "run-2")]


@forges("I2")
def nodes_of_two_runs_overlap(evidence: Evidence) -> None:
    evidence.journal += [line(2.5, run_id="run-2", pid=200), line(2.6, event="end", run_id="run-2", pid=200)]


@forges("I2")
def runs_start_in_the_wrong_order(evidence: Evidence) -> None:
    evidence.changes[:0] = [change(0, None, "pending", "run-0")]
    evidence.changes += [change(12, "pending", "running", "run-0"), change(13, "running", "success", "run-0")]


@forges("I2")
def runs_are_created_in_the_wrong_order(evidence: Evidence) -> None:
    evidence.history += creation("run-0", at=0)
    evidence.rows["run-0"] = Row(status="success", thread_id=THREAD)
    evidence.changes += [
        change(10, None, "pending", "run-0"),
        change(11, "pending", "running", "run-0"),
        change(12, "running", "success", "run-0"),
    ]


@forges("I3")
def a_stale_claim_logs_events(evidence: Evidence) -> None:
    evidence.changes[2:2] = [
        change(3, "running", "pending"),
        change(4, "pending", "running", old_claim=1, claim=2, attempts=2),
    ]
    evidence.logged.append(Logged(seq=6, run_id=RUN, claim=1, first=5, last=6))


@forges("I3")
def a_checkpoint_is_written_after_the_end(evidence: Evidence) -> None:
    evidence.saved.append(Saved(seq=10, run_id=RUN, attempt=1, token=TOKEN, step=1))


@forges("I3")
def a_threads_values_change_without_an_end(evidence: Evidence) -> None:
    evidence.value_changes.append((7, 7, THREAD))


@forges("I4")
def an_input_is_applied_twice(evidence: Evidence) -> None:
    evidence.values[THREAD]["inputs"].append(TOKEN)


@forges("I4")
def an_input_is_lost(evidence: Evidence) -> None:
    evidence.values[THREAD]["inputs"].clear()


@forges("I4")
def a_step_is_missing(evidence: Evidence) -> None:
    evidence.values[THREAD]["done"].pop()


@forges("I4")
def an_acknowledged_update_is_lost(evidence: Evidence) -> None:
    evidence.history.append(entry("updated", thread=THREAD, token="campaign-input-2"))


@forges("I4")
def a_checkpointed_step_is_begun_again(evidence: Evidence) -> None:
    evidence.changes[2:2] = [
        change(6, "running", "pending"),
        change(7, "pending", "running", old_attempts=1, attempts=2, claim=2),
    ]
    evidence.journal.append(line(7.5, "step0", attempt=2, pid=200))


@forges("I5")
def a_run_begins_a_fourth_time(evidence: Evidence) -> None:
    evidence.journal += [line(6 + pid / 1000, "step1", pid=pid, attempt=2) for pid in (201, 202, 203)]


@forges("I6")
def an_event_comes_twice(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 3, "f"], [1, 3, 4, "g"]))


@forges("I6")
def an_event_is_missing_without_a_gap(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], [1, 4, 4, "g"]))


@forges("I6")
def the_last_events_are_missing(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 3, "f"]))


@forges("I6")
def a_gap_is_said_of_what_the_log_has(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], ["gap", "GAP_REASON_LOST"], [1, 4, 4, "g"]))


@forges("I6")
def a_reader_sees_another_event(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "another"]))


@forges("I6")
def a_reader_is_told_another_end(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "d"], finished="error"))


@forges("I6")
def the_log_has_a_hole(evidence: Evidence) -> None:
    evidence.logs[RUN] = dataclasses.replace(evidence.logs[RUN], stretches={1: [(1, 2), (4, 4)]})


@forges("I7")
def a_stream_never_ends(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["passing"]))


@forges("I7")
def a_stream_ends_without_finished(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["OK without finished"]))


@forges("I7")
def a_readers_token_is_refused(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["INVALID_ARGUMENT INVALID_EVENT_ID"]))


@forges("I8")
def an_acknowledged_cancel_has_no_effect(evidence: Evidence) -> None:
    evidence.history += [
        entry("cancelling", rollback=False),
        entry("cancelled", rollback=False, told="requested"),
    ]


@forges("I8")
def code_runs_after_cancelled(evidence: Evidence) -> None:
    evidence.changes[-1] = change(9, "running", "cancelled")
    evidence.journal.append(line(9.2, "step1", "goes on"))


@forges("I9")
def a_rolled_back_run_leaves_checkpoints(evidence: Evidence) -> None:
    evidence.remains["run-0"] = "checkpoints"


@forges("I9")
def a_rolled_back_run_leaves_its_input(evidence: Evidence) -> None:
    evidence.history += [entry("cancelling", rollback=True), *creation("run-2", token="", strategy="enqueue")]
    evidence.rows.clear()


@forges("I10")
def redis_holds_an_input(evidence: Evidence) -> None:
    evidence.history.append(entry("redis", key="faults:wake:steps", why="a value that is no hint"))


@forges("I11")
def a_stranger_is_told_of_a_run(evidence: Evidence) -> None:
    evidence.history.append(entry("stranger", method="GetRun", told="run { … }", unknown="NOT_FOUND RUN_NOT_FOUND"))


@forges("I12")
def a_wrong_field_is_not_named(evidence: Evidence) -> None:
    asked = {"run": "run-9", "thread": "thread-9", "wrong": ["a", "b"]}
    evidence.history.append(entry("bad request", **asked, code="INVALID_ARGUMENT", fields=["a"]))


@forges("I12")
def a_bad_request_leaves_a_thread(evidence: Evidence) -> None:
    asked = {"run": "run-9", "thread": THREAD, "wrong": ["a"]}
    evidence.history.append(entry("bad request", **asked, code="INVALID_ARGUMENT", fields=["a"]))


@forges("I12")
def a_call_is_answered_internal(evidence: Evidence) -> None:
    evidence.history.append(entry("internal", method="CreateRun", reason="INTERNAL", text="oops"))


@forges("recovery")
def a_process_ends_by_itself(evidence: Evidence) -> None:
    evidence.history.append(entry("died", name="worker-1", words=["oops"]))


@forges("recovery")
def a_process_does_not_end_when_told_to(evidence: Evidence) -> None:
    evidence.history.append(entry("undrained", name="worker-1", seconds=30, words=["waiting"]))


@forges("recovery")
def an_error_is_logged(evidence: Evidence) -> None:
    evidence.errors.append("dispatch-1.log: a turn failed")


@forges("I13")
def a_drain_uses_up_an_attempt(evidence: Evidence) -> None:
    evidence.lives.append(Life(seq=3, at=3 * SECOND, worker_id=WORKER, event="draining"))
    evidence.changes[2:2] = [
        change(6, "running", "pending", old_worker_id=WORKER),
        change(7, "pending", "running", old_attempts=1, attempts=2, claim=2),
    ]


@forges("I14")
def a_stream_has_many_connections(evidence: Evidence) -> None:
    evidence.figures["most redis connections"] = {"stream-1": 50}


@forges("I14")
def tasks_are_left_behind(evidence: Evidence) -> None:
    evidence.figures["after"]["stream"]["tasks"] = 400


@pytest.mark.parametrize(("invariant", "name", "forgery"), FORGERIES, ids=[name for _, name, _ in FORGERIES])
def test_a_forged_violation_is_found(invariant: str, name: str, forgery: Forgery) -> None:
    evidence = sound()
    forgery(evidence)
    assert invariant in {violation.invariant for violation in check(evidence)}


def test_every_invariant_that_is_checked_can_be_broken() -> None:
    assert {invariant for invariant, _, _ in FORGERIES} == set(CHECKS)


def test_a_violation_comes_with_what_is_known_of_the_run() -> None:
    evidence = sound()
    a_run_never_ends(evidence)
    evidence.history.append({**entry("fault", kind="kill worker", seconds=1), "run": None})
    (violation,) = [found for found in check(evidence) if "has not ended" in found.text]
    told = "\n".join(violation.excerpt)
    assert "'created'" in told
    assert "old_status='pending'" in told
    assert "kill worker" in told
    assert "node='step1'" in told
