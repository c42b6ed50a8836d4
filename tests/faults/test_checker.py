"""The checker finds each violation, by name, in small histories that are forged; a sound one it leaves alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults import (
    checks_events,
    checks_evidence,
    checks_execution,
    checks_processes,
    checks_runs,
    checks_surroundings,
)
from tests.faults.case import SECOND, Case
from tests.faults.checker import CHECKS, Check, check
from tests.faults.evidence import Change, Delivery, Evidence, Life, Logged, Row, RunLog, Saved, Written
from tests.faults.journal import Line
from tests.faults.logs import Record

RUN, THREAD, TOKEN, WORKER, MEMBER = "run-1", "thread-1", "campaign-input-1", "life-1", "worker-1"


def creation(run_id: str = RUN, at: int = 1, **changes: Any) -> list[dict[str, Any]]:
    """A creation that was asked for and acknowledged, at these seconds."""
    fields = {
        "at": at * SECOND,
        "until": at * SECOND + 1000,
        "run": run_id,
        "thread": THREAD,
        "graph": "steps",
        "token": TOKEN,
        "strategy": "enqueue",
        "expects": ["success"],
        "logged": True,
        "leaves": [f"{TOKEN}/0", f"{TOKEN}/1"],
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
        "place": None if new == "pending" else seq * 1_000_000,
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
    fields = {
        "after": "",
        "left": False,
        "ends": ["OK"],
        "broken": [],
        "last": 0,
        "slow": False,
        "replay": False,
        "at": 0,
        "until": 12 * SECOND,
    }
    return {"op": "read", "run": RUN, "parts": list(parts), "finished": finished, **fields, **changes}


def fault(kind: str, at: float, *touches: str, seconds: float = 1, **fields: Any) -> dict[str, Any]:
    """A fault that was over at that second."""
    told = {"kind": kind, "seconds": seconds, "touches": list(touches), **fields}
    return {"op": "fault", "at": round(at * SECOND), "until": round(at * SECOND), **told}


def record(at: float, action: str, **fields: Any) -> Record:
    """What a worker logged at that second."""
    return Record(at=round(at * SECOND), member=MEMBER, process="worker", action=action, **fields)


def entry(op: str, **fields: Any) -> dict[str, Any]:
    """Another entry of the history."""
    return {"op": op, "at": 5 * SECOND, "until": 6 * SECOND, "run": RUN, **fields}


def at_rest(**changes: float) -> dict[str, float]:
    """What a process has in hand."""
    counts = dict.fromkeys(("postgres in use", "redis in use", "postgres astray", "redis astray"), 0)
    return {"pid": 100, "age": 60, "tasks": 8, "files": 20, "megabytes": 70, **counts, **changes}


def sound() -> Evidence:
    """A run that was created, ran its two steps, was read and ended well."""
    return Evidence(
        history=[
            *creation(),
            entry("ended", status="success"),
            reading([1, 1, 4, "d"]),
            reading([1, 3, 4, "e"], after="1-2", replay=True, at=11 * SECOND),
        ],
        changes=[
            change(1, None, "pending", claim=0, attempts=0),
            change(2, "pending", "running", old_claim=0, old_attempts=0, worker_id=WORKER),
            change(9, "running", "success", old_worker_id=WORKER),
        ],
        journal=[line(2.1), line(3, event="end"), line(4, "step1"), line(5, "step1", "end")],
        saved=[Saved(seq=4, run_id=RUN, claim=1, token=TOKEN, step=0)],
        written=[Written(seq=4, run_id=RUN)],
        logged=[Logged(seq=5, run_id=RUN, claim=1, first=1, last=4)],
        logs={RUN: RunLog(stretches={1: [(1, 4)]}, digests={(1, 1, 4): "d"}, finished=(1, 4))},
        rows={RUN: Row(status="success", thread_id=THREAD)},
        values={THREAD: {"inputs": [TOKEN], "done": [f"{TOKEN}/0", f"{TOKEN}/1"]}},
        value_changes=[(9, 9, THREAD)],
        records=[record(1, "registered", worker_id=WORKER)],
        figures={
            "before": {"stream": at_rest()},
            "after": {"stream": at_rest(tasks=9)},
            "steady": {"before": {"stream-1": at_rest()}, "after": {"stream-1": at_rest(tasks=9)}},
            "most": {"stream-1": {"redis": 2, "megabytes": 90}},
            "redis keys looked at": 100,
        },
    )


def test_a_sound_history_passes() -> None:
    assert check(sound()) == []


Forgery = Callable[[Evidence], None]
FORGERIES: list[tuple[Check, Forgery]] = []


def forges(check_of_it: Check) -> Callable[[Forgery], Forgery]:
    """Registers what one check finds."""

    def register(forgery: Forgery) -> Forgery:
        FORGERIES.append((check_of_it, forgery))
        return forgery

    return register


@forges(checks_runs.ends_once)
def an_acknowledged_run_is_lost(evidence: Evidence) -> None:
    evidence.rows.clear()
    evidence.changes.clear()


@forges(checks_runs.ends_once)
def a_run_never_ends(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="running", thread_id=THREAD)


@forges(checks_runs.ends_once)
def a_run_ends_twice(evidence: Evidence) -> None:
    evidence.changes += [change(10, "success", "pending"), change(11, "pending", "success")]


@forges(checks_runs.ends_once)
def a_run_is_removed_unasked(evidence: Evidence) -> None:
    evidence.changes[-1] = change(9, "running", None)
    evidence.rows.clear()


@forges(checks_runs.ends_as_expected)
def a_good_run_ends_in_error(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="error", error_type="ConnectionResetError", thread_id=THREAD)


@forges(checks_runs.ends_as_expected)
def attempts_are_exhausted_too_early(evidence: Evidence) -> None:
    evidence.rows[RUN] = Row(status="error", error_type="AttemptsExhausted", attempts=3, thread_id=THREAD)


@forges(checks_runs.told_the_truth)
def a_wait_tells_another_end(evidence: Evidence) -> None:
    evidence.history.append(entry("ended", status="error"))


@forges(checks_runs.crons_tick_once)
def a_cron_ticks_twice_at_once(evidence: Evidence) -> None:
    evidence.history += [
        entry("cron created", cron="cron-1", thread=THREAD, every=2),
        entry("cron disabled", cron="cron-1"),
    ]
    evidence.rows |= {f"tick-{number}": Row(status="success", cron_id="cron-1") for number in range(3)}


@forges(checks_runs.one_runs)
def two_runs_of_a_thread_are_running(evidence: Evidence) -> None:
    evidence.changes[2:2] = [change(3, "pending", "running", "run-2"), change(4, "running", "success", "run-2")]


@forges(checks_execution.code_of_one_runs)
def nodes_of_two_runs_overlap(evidence: Evidence) -> None:
    evidence.journal += [line(2.5, run_id="run-2", pid=200), line(2.6, event="end", run_id="run-2", pid=200)]


@forges(checks_runs.begun_in_order)
def runs_start_in_the_wrong_order(evidence: Evidence) -> None:
    evidence.changes[:0] = [change(0, None, "pending", "run-0")]
    evidence.changes += [change(12, "pending", "running", "run-0"), change(13, "running", "success", "run-0")]


@forges(checks_runs.begun_in_order)
def runs_are_created_in_the_wrong_order(evidence: Evidence) -> None:
    evidence.history += creation("run-0", at=0)
    evidence.rows["run-0"] = Row(status="success", thread_id=THREAD)
    evidence.changes += [
        change(10, None, "pending", "run-0"),
        change(11, "pending", "running", "run-0"),
        change(12, "running", "success", "run-0"),
    ]


@forges(checks_execution.no_stale_writes)
def a_stale_claim_logs_events(evidence: Evidence) -> None:
    evidence.changes[2:2] = [
        change(3, "running", "pending"),
        change(4, "pending", "running", old_claim=1, claim=2, attempts=2),
    ]
    evidence.logged.append(Logged(seq=6, run_id=RUN, claim=1, first=5, last=6))


@forges(checks_execution.no_stale_writes)
def a_checkpoint_is_written_after_the_end(evidence: Evidence) -> None:
    evidence.saved.append(Saved(seq=10, run_id=RUN, claim=1, token=TOKEN, step=1))


@forges(checks_execution.values_change_at_ends)
def a_threads_values_change_without_an_end(evidence: Evidence) -> None:
    evidence.value_changes.append((7, 7, THREAD))


@forges(checks_execution.applied_once)
def an_input_is_applied_twice(evidence: Evidence) -> None:
    evidence.values[THREAD]["inputs"].append(TOKEN)


@forges(checks_execution.applied_once)
def an_input_is_lost(evidence: Evidence) -> None:
    evidence.values[THREAD]["inputs"].clear()


@forges(checks_execution.applied_once)
def a_step_is_missing(evidence: Evidence) -> None:
    evidence.values[THREAD]["done"].pop()


@forges(checks_execution.applied_once)
def an_acknowledged_update_is_lost(evidence: Evidence) -> None:
    evidence.history.append(entry("updated", thread=THREAD, token="campaign-input-2"))


@forges(checks_execution.checkpointed_not_repeated)
def a_checkpointed_step_is_begun_again(evidence: Evidence) -> None:
    evidence.changes[2:2] = [
        change(6, "running", "pending"),
        change(7, "pending", "running", old_attempts=1, attempts=2, claim=2),
    ]
    evidence.journal.append(line(7.5, "step0", attempt=2, pid=200))


@forges(checks_execution.three_attempts)
def a_run_begins_a_fourth_time(evidence: Evidence) -> None:
    evidence.journal += [line(6 + pid / 1000, "step1", pid=pid, attempt=2) for pid in (201, 202, 203)]


@forges(checks_events.nothing_twice_or_late)
def an_event_comes_twice(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 3, "f"], [1, 3, 4, "g"]))


@forges(checks_events.nothing_twice_or_late)
def an_event_is_missing_without_a_gap(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], [1, 4, 4, "g"]))


@forges(checks_events.complete)
def the_last_events_are_missing(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 3, "f"]))


@forges(checks_events.complete)
def a_gap_is_said_of_what_the_log_has(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], ["gap", "GAP_REASON_LOST"], [1, 4, 4, "g"]))


@forges(checks_events.as_logged)
def a_reader_sees_another_event(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "another"]))


@forges(checks_events.complete)
def a_reader_is_told_another_end(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "d"], finished="error"))


@forges(checks_events.logged_to_the_end)
def the_log_has_a_hole(evidence: Evidence) -> None:
    evidence.logs[RUN] = dataclasses.replace(evidence.logs[RUN], stretches={1: [(1, 2), (4, 4)]})


@forges(checks_events.every_stream_ends)
def a_stream_never_ends(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["passing"]))


@forges(checks_events.every_stream_ends)
def a_stream_ends_without_finished(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["OK without finished"]))


@forges(checks_events.every_stream_ends)
def a_readers_token_is_refused(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 2, "f"], finished=None, ends=["INVALID_ARGUMENT INVALID_EVENT_ID"]))


@forges(checks_runs.cancels_take_effect)
def an_acknowledged_cancel_has_no_effect(evidence: Evidence) -> None:
    evidence.history += [
        entry("cancelling", rollback=False),
        entry("cancelled", rollback=False, told="requested"),
    ]


@forges(checks_execution.nothing_runs_after_the_end)
def code_runs_after_cancelled(evidence: Evidence) -> None:
    evidence.changes[-1] = change(9, "running", "cancelled")
    evidence.journal.append(line(9.2, "step1", "goes on"))


@forges(checks_runs.rolled_back_is_gone)
def a_rolled_back_run_leaves_checkpoints(evidence: Evidence) -> None:
    evidence.remains["run-0"] = "checkpoints"


@forges(checks_runs.rolled_back_is_gone)
def a_rolled_back_run_leaves_its_input(evidence: Evidence) -> None:
    evidence.history += [entry("cancelling", rollback=True), *creation("run-2", token="")]
    evidence.rows.clear()


@forges(checks_surroundings.redis_holds_hints)
def redis_holds_an_input(evidence: Evidence) -> None:
    evidence.history.append(entry("redis", key="faults:wake:steps", why="a value that is no hint"))


@forges(checks_surroundings.strangers_learn_nothing)
def a_stranger_is_told_of_a_run(evidence: Evidence) -> None:
    evidence.history.append(entry("stranger", method="GetRun", told="run { … }", unknown="NOT_FOUND RUN_NOT_FOUND"))


@forges(checks_surroundings.bad_input_changes_nothing)
def a_wrong_field_is_not_named(evidence: Evidence) -> None:
    asked = {"run": "run-9", "thread": "thread-9", "wrong": ["a", "b"]}
    evidence.history.append(entry("bad request", **asked, code="INVALID_ARGUMENT", fields=["a"]))


@forges(checks_surroundings.bad_input_changes_nothing)
def a_bad_request_leaves_a_thread(evidence: Evidence) -> None:
    asked = {"run": "run-9", "thread": THREAD, "wrong": ["a"]}
    evidence.history.append(entry("bad request", **asked, code="INVALID_ARGUMENT", fields=["a"]))


@forges(checks_surroundings.no_internals)
def a_call_is_answered_internal(evidence: Evidence) -> None:
    evidence.history.append(entry("internal", method="CreateRun", reason="INTERNAL", text="oops"))


@forges(checks_surroundings.nothing_surprises)
def a_process_ends_by_itself(evidence: Evidence) -> None:
    evidence.history.append(entry("died", name="worker-1", words=["oops"]))


@forges(checks_surroundings.nothing_surprises)
def a_process_does_not_end_when_told_to(evidence: Evidence) -> None:
    evidence.history.append(entry("undrained", name="worker-1", seconds=30, words=["waiting"]))


@forges(checks_processes.errors_have_causes)
def an_error_is_logged(evidence: Evidence) -> None:
    evidence.records.append(record(5, "turn_failed", is_error=True))


@forges(checks_processes.drains_lose_nothing)
def a_drain_uses_up_an_attempt(evidence: Evidence) -> None:
    evidence.lives.append(Life(seq=3, at=3 * SECOND, worker_id=WORKER, event="draining"))
    evidence.changes[2:2] = [
        change(6, "running", "pending", old_worker_id=WORKER),
        change(7, "pending", "running", old_attempts=1, attempts=2, claim=2),
    ]


@forges(checks_surroundings.processes_stay_small)
def a_stream_has_many_connections(evidence: Evidence) -> None:
    evidence.figures["most"] = {"stream-1": {"redis": 50, "megabytes": 90}}


@forges(checks_surroundings.processes_stay_small)
def a_process_grows_under_load(evidence: Evidence) -> None:
    evidence.figures["most"] = {"stream-1": {"redis": 2, "megabytes": 900}}


@forges(checks_surroundings.back_at_the_baseline)
def tasks_are_left_behind(evidence: Evidence) -> None:
    evidence.figures["after"]["stream"] = at_rest(tasks=400)


@forges(checks_surroundings.nothing_is_left_behind)
def a_connection_is_not_given_back(evidence: Evidence) -> None:
    evidence.figures["steady"]["after"]["stream-1"] = at_rest(**{"postgres in use": 2})


@forges(checks_surroundings.back_at_the_baseline)
def nothing_was_measured(evidence: Evidence) -> None:
    evidence.figures = {}


@forges(checks_surroundings.back_at_the_baseline)
def a_part_is_not_measured_at_the_end(evidence: Evidence) -> None:
    evidence.figures["after"] = {}


@forges(checks_surroundings.back_at_the_baseline)
def a_process_does_not_tell_its_tasks(evidence: Evidence) -> None:
    del evidence.figures["after"]["stream"]["tasks"]


@forges(checks_surroundings.nothing_is_left_behind)
def a_process_of_the_last_stretch_is_gone(evidence: Evidence) -> None:
    evidence.figures["steady"]["after"] = {}


@forges(checks_surroundings.nothing_is_left_behind)
def a_process_of_the_last_stretch_is_another(evidence: Evidence) -> None:
    evidence.figures["steady"]["after"]["stream-1"] = at_rest(pid=101)


@forges(checks_runs.ends_once)
def a_run_of_a_cron_never_ends(evidence: Evidence) -> None:
    evidence.rows["tick"] = Row(status="pending", cron_id="cron-1", thread_id="thread-2")


@forges(checks_execution.code_of_one_runs)
def two_processes_execute_the_same_run(evidence: Evidence) -> None:
    evidence.journal += [line(2.2, pid=200, parent=20), line(2.9, event="end", pid=200, parent=20)]


def taken_over(evidence: Evidence, old_attempts: int = 1, attempts: int = 2) -> None:
    """The run goes from its worker to another, at the sixth and seventh second."""
    evidence.changes[2:] = [
        change(6, "running", "pending", old_attempts=1, attempts=old_attempts, old_worker_id=WORKER),
        change(7, "pending", "running", claim=2, old_attempts=old_attempts, attempts=attempts, worker_id="life-2"),
        change(9, "running", "success", claim=2, old_claim=2, attempts=attempts, old_worker_id="life-2"),
    ]
    evidence.rows[RUN] = Row(status="success", claim=2, attempts=attempts, thread_id=THREAD)


@forges(checks_execution.no_stale_writes)
def a_stale_claim_writes_a_checkpoint(evidence: Evidence) -> None:
    taken_over(evidence, old_attempts=0, attempts=1)
    evidence.saved.append(Saved(seq=8, run_id=RUN, claim=1, token=TOKEN, step=1))


@forges(checks_execution.no_stale_writes)
def a_graph_writes_while_its_run_waits(evidence: Evidence) -> None:
    taken_over(evidence)
    evidence.changes[3:] = []
    evidence.written.append(Written(seq=8, run_id=RUN))


@forges(checks_execution.no_stale_writes)
def values_of_channels_are_written_alone(evidence: Evidence) -> None:
    evidence.stray_blobs.append(THREAD)


@forges(checks_execution.values_change_at_ends)
def an_update_changes_values_twice(evidence: Evidence) -> None:
    evidence.updates.add((3, THREAD))
    evidence.value_changes += [(3, 3, THREAD), (4, 4, THREAD)]


@forges(checks_execution.nothing_runs_after_the_end)
def code_runs_after_success(evidence: Evidence) -> None:
    evidence.journal.append(line(9.2, "step1", "goes on"))


@forges(checks_execution.applied_once)
def a_branch_is_missing(evidence: Evidence) -> None:
    evidence.history[:2] = creation(graph="parallel", leaves=[f"{TOKEN}/branch0", f"{TOKEN}/join"])
    evidence.values[THREAD]["done"] = [f"{TOKEN}/join"]


@forges(checks_execution.applied_once)
def an_answer_is_lost(evidence: Evidence) -> None:
    evidence.history[:2] = creation(graph="gate", token="", leaves=["campaign-input-2/ask", f"{TOKEN}/answered"])
    evidence.values[THREAD]["done"] = [f"{TOKEN}/answered"]


@forges(checks_execution.applied_once)
def the_output_of_a_run_without_a_thread_lacks_a_step(evidence: Evidence) -> None:
    evidence.history[:2] = creation(thread="")
    evidence.rows[RUN] = Row(status="success", output={"inputs": [TOKEN], "done": [f"{TOKEN}/0"]})


@forges(checks_processes.returns_have_causes)
def an_attempt_fails_for_no_reason(evidence: Evidence) -> None:
    taken_over(evidence)


@forges(checks_processes.returns_have_causes)
def a_run_is_given_back_uncounted_for_no_reason(evidence: Evidence) -> None:
    taken_over(evidence, old_attempts=0, attempts=1)


@forges(checks_processes.returns_have_causes)
def another_workers_way_to_postgres_was_cut(evidence: Evidence) -> None:
    taken_over(evidence)
    evidence.history.append(fault("reset", 5.5, "postgres<worker-2"))


@forges(checks_processes.workers_are_gone_for_a_reason)
def a_healthy_worker_is_declared_dead(evidence: Evidence) -> None:
    evidence.lives.append(Life(seq=3, at=3 * SECOND, worker_id=WORKER, event="gone"))


@forges(checks_processes.executors_end_for_a_reason)
def an_executor_ends_by_itself(evidence: Evidence) -> None:
    evidence.records.append(record(5, "executor_gone"))


@forges(checks_processes.errors_have_causes)
def a_process_that_served_ends_for_the_lack_of_redis(evidence: Evidence) -> None:
    evidence.records.append(record(5, "uncaught", is_error=True, unreachable=True))


@forges(checks_processes.drains_lose_nothing)
def a_drain_that_was_not_written_uses_up_an_attempt(evidence: Evidence) -> None:
    taken_over(evidence)
    evidence.history.append(fault("drain worker", 6, MEMBER, target=MEMBER, told_to_end=5 * SECOND))


@forges(checks_processes.drains_lose_nothing)
def a_drain_uses_up_an_attempt_while_another_has_no_postgres(evidence: Evidence) -> None:
    a_drain_uses_up_an_attempt(evidence)
    evidence.history.append(fault("delay", 5.5, "postgres<dispatch-1"))


@forges(checks_events.logged_to_the_end)
def there_is_no_log(evidence: Evidence) -> None:
    evidence.logs.clear()


@forges(checks_events.what_is_read_is_logged)
def the_log_loses_its_tail(evidence: Evidence) -> None:
    evidence.logs[RUN] = RunLog(stretches={1: [(1, 2)]}, finished=(1, 2))


@forges(checks_events.streams_end_in_time)
def a_stream_is_silent_for_no_reason(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "d"], ends=["passing", "OK"], broken=[[3 * SECOND, 11 * SECOND]]))


@forges(checks_events.streams_end_in_time)
def a_stream_ends_long_after_its_run(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "d"], last=5 * SECOND, until=140 * SECOND))


@forges(checks_events.streams_end_in_time)
def a_reader_of_an_old_run_waits(evidence: Evidence) -> None:
    evidence.history.append(reading([1, 1, 4, "d"], replay=True, at=100 * SECOND, until=140 * SECOND))


def notifying(evidence: Evidence) -> None:
    """Somebody is to be told of the run's end, and was."""
    evidence.history[:2] = creation(notifies=True)
    evidence.deliveries.append(Delivery(delivery_id="delivery-1", run_id=RUN, state="delivered"))
    evidence.history.append(entry("notified", delivery="delivery-1", status="success"))


@forges(checks_runs.webhooks_are_delivered)
def no_webhook_is_owed(evidence: Evidence) -> None:
    notifying(evidence)
    evidence.deliveries.clear()
    evidence.history.pop()


@forges(checks_runs.webhooks_are_delivered)
def two_webhooks_are_owed(evidence: Evidence) -> None:
    notifying(evidence)
    evidence.deliveries.append(Delivery(delivery_id="delivery-2", run_id=RUN, state="delivered"))


@forges(checks_runs.webhooks_are_delivered)
def a_webhook_is_said_to_have_come(evidence: Evidence) -> None:
    notifying(evidence)
    evidence.history.pop()


@forges(checks_runs.webhooks_are_delivered)
def a_webhook_comes_again_by_another_name(evidence: Evidence) -> None:
    notifying(evidence)
    evidence.history.append(entry("notified", delivery="delivery-2", status="success"))


@forges(checks_runs.webhooks_are_delivered)
def a_webhook_tells_another_end(evidence: Evidence) -> None:
    notifying(evidence)
    evidence.history.append(entry("notified", delivery="delivery-1", status="error"))


@forges(checks_runs.deleted_is_gone)
def a_deleted_run_is_there(evidence: Evidence) -> None:
    evidence.history += [entry("deleting"), entry("deleted")]


@forges(checks_runs.rolled_back_is_gone)
def a_rolled_back_answer_is_there(evidence: Evidence) -> None:
    evidence.history += creation("run-2", token="", leaves=["campaign-input-2/ask", f"{TOKEN}/answered"])
    evidence.values[THREAD]["done"].append("campaign-input-2/ask")


@forges(checks_events.one_run_after_another)
def the_events_of_two_runs_are_mixed(evidence: Evidence) -> None:
    evidence.changes.append(change(10, "pending", "running", "run-2"))
    evidence.history.append(entry("listened", thread=THREAD, runs=[RUN, "run-2", RUN]))


@forges(checks_events.one_run_after_another)
def a_run_is_told_of_that_never_began(evidence: Evidence) -> None:
    evidence.history.append(entry("listened", thread=THREAD, runs=[RUN, "run-2"]))


@forges(checks_events.one_run_after_another)
def an_end_is_told_of_before_a_run_that_began_before_it(evidence: Evidence) -> None:
    evidence.changes.append(change(10, "pending", "cancelled", "run-2"))
    evidence.history.append(entry("listened", thread=THREAD, runs=["run-2", RUN]))


@forges(checks_events.one_run_after_another)
def a_later_run_is_told_of_before(evidence: Evidence) -> None:
    evidence.changes.append(change(10, "pending", "running", "run-2"))
    evidence.history.append(entry("listened", thread=THREAD, runs=["run-2", RUN]))


@forges(checks_runs.cancels_take_effect)
def a_cancel_is_answered_that_the_run_is_running(evidence: Evidence) -> None:
    evidence.history += [entry("cancelling", rollback=False), entry("cancelled", rollback=False, told="running")]


@forges(checks_runs.rolled_back_is_gone)
def a_run_that_waits_is_only_cancelled(evidence: Evidence) -> None:
    evidence.history += [entry("cancelling", rollback=True), entry("cancelled", rollback=True, told="cancelled")]
    evidence.rows[RUN] = Row(status="cancelled", thread_id=THREAD)


@forges(checks_evidence.all_is_noted)
def nothing_happened(evidence: Evidence) -> None:
    for name in Evidence.__slots__:
        getattr(evidence, name).clear()


@forges(checks_evidence.all_is_noted)
def the_journal_is_empty(evidence: Evidence) -> None:
    evidence.journal.clear()


@forges(checks_evidence.all_is_noted)
def no_checkpoint_is_noted(evidence: Evidence) -> None:
    evidence.saved.clear()


@forges(checks_evidence.all_is_noted)
def no_logged_events_are_noted(evidence: Evidence) -> None:
    evidence.logged.clear()


@forges(checks_evidence.all_is_noted)
def nobody_looked_at_redis(evidence: Evidence) -> None:
    evidence.figures["redis keys looked at"] = 0


@forges(checks_evidence.all_was_played)
def a_story_is_never_played(evidence: Evidence) -> None:
    evidence.weights = {"short": 1, "stranger": 1}
    evidence.history += [entry("story", name="short")] * 30


@forges(checks_evidence.all_was_played)
def a_story_leaves_no_note(evidence: Evidence) -> None:
    evidence.weights = {"stranger": 1}
    evidence.history.append(entry("story", name="stranger"))


@pytest.mark.parametrize(("check_of_it", "forgery"), FORGERIES, ids=[forgery.__name__ for _, forgery in FORGERIES])
def test_a_forged_violation_is_found(check_of_it: Check, forgery: Forgery) -> None:
    evidence = sound()
    forgery(evidence)
    assert list(check_of_it(Case(evidence)))


def test_a_webhook_that_comes_twice_by_one_name_passes() -> None:
    evidence = sound()
    notifying(evidence)
    evidence.history.append(entry("notified", delivery="delivery-1", status="success"))
    assert check(evidence) == []


def test_a_run_that_was_deleted_passes() -> None:
    evidence = sound()
    evidence.history += [entry("deleting"), entry("deleted")]
    evidence.changes.append(change(10, "success", None))
    evidence.rows.clear()
    evidence.logs.clear()
    evidence.remains[RUN] = "checkpoints"
    assert check(evidence) == []


def test_every_check_can_fail() -> None:
    assert {each for each, _ in FORGERIES} == {each for checks in CHECKS.values() for each in checks}


def test_a_violation_comes_with_what_is_known_of_the_run() -> None:
    evidence = sound()
    a_run_never_ends(evidence)
    evidence.history.append(fault("kill worker", 6, MEMBER))
    (violation,) = [found for found in check(evidence) if "has not ended" in found.text]
    told = "\n".join(violation.excerpt)
    assert "'created'" in told
    assert "old_status='pending'" in told
    assert "kill worker" in told
    assert "node='step1'" in told
