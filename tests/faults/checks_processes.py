"""Why processes ended and gave runs back, by their logs and by what was done to them: I3, I5, I13 and recovery."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.case import SECOND, Case, Finding
from tests.faults.evidence import Change
from tests.faults.logs import Record

# An executor's runs are given back at once, or as soon as Postgres can be reached within the lease.
_GIVING_BACK = 6 * SECOND
# For so long an attempt tries to reach Postgres, and a claim may be done that nobody heard of.
_OUT_OF_REACH = 12 * SECOND
# What befell a worker may be found out by the end of two leases.
_FOUND_OUT = 14 * SECOND


def returns_have_causes(case: Case) -> Iterator[Finding]:
    """A run is given back by who holds it: because its worker or executor is gone, drains, or can't reach Postgres."""
    gone = {life.worker_id: life.at for life in case.evidence.lives if life.event == "gone"}
    for run_id, changes in case.changes.items():
        for change in changes:
            if _is_return(change) and not _has_cause(case, change, gone):
                counted = "" if _is_counted(change) else ", uncounted"
                text = (
                    f"run {run_id} was taken from worker {change.old_worker_id}{counted}, and nothing had befallen it"
                )
                yield Finding(text, run_id)


def _is_return(change: Change) -> bool:
    return change.old_status == "running" and change.status == "pending"


def _is_counted(change: Change) -> bool:
    return change.attempts >= change.old_attempts


def _has_cause(case: Case, change: Change, gone: dict[str, int]) -> bool:
    worker_id = change.old_worker_id or ""
    member = case.members.get(worker_id, "")
    if case.troubled(_way_to_postgres(member), change.at, change.at, after=_OUT_OF_REACH):
        return True
    reasons = ["executor_gone"] if _is_counted(change) else ["executor_killed", "late_claim"]
    # The record's time has milliseconds, and it may be written a moment later.
    if any(case.records(why, member, change.at - _GIVING_BACK, change.at + SECOND // 10) for why in reasons):
        return True
    if _is_counted(change):
        return worker_id in gone and gone[worker_id] <= change.at + SECOND
    return worker_id in case.draining and case.draining[worker_id] <= change.at


def _way_to_postgres(member: str) -> tuple[str, str]:
    return "postgres", f"postgres<{member}"


def workers_are_gone_for_a_reason(case: Case) -> Iterator[Finding]:
    """No worker is declared dead that nothing was done to."""
    for life in case.evidence.lives:
        member = case.members.get(life.worker_id)
        if life.event != "gone" or member is None:
            continue
        if not case.troubled([member, *_way_to_postgres(member)], life.at, life.at, after=_FOUND_OUT):
            yield Finding(f"worker {life.worker_id} of {member} was declared dead, and nothing had befallen it")


def executors_end_for_a_reason(case: Case) -> Iterator[Finding]:
    """An executor ends by a fault, by its own code's will, or by its supervisor's, and never by itself."""
    deaths = [line.at for line in case.evidence.journal if line.node == "die"]
    for record in case.evidence.records:
        if record.action != "executor_gone":
            continue
        first, last = record.at - _GIVING_BACK, record.at
        if not (
            case.troubled([record.member], last, last, after=_FOUND_OUT)
            or case.records("executor_killed", record.member, first, last)
            or any(first <= at <= last for at in deaths)
        ):
            yield Finding(f"an executor of {record.member} ended by itself: {record.text}")


def errors_have_causes(case: Case) -> Iterator[Finding]:
    """No process logs an error, other than one that can't reach what it needs, and mostly when it starts."""
    for record in case.evidence.records:
        if record.is_error and not (record.unreachable and _is_out_of_reach(case, record)):
            yield Finding(f"{record.member}, {record.process}: {record.text}")


def _is_out_of_reach(case: Case, record: Record) -> bool:
    if record.action == "webhook_not_recorded":
        return case.troubled(_way_to_postgres(record.member), record.at, record.at, after=_GIVING_BACK)
    # It may only end before it is ready. That an executor ended which had begun is said by its supervisor.
    return record.process.startswith("executor-") or case.troubled([record.member], record.at, record.at)


def drains_lose_nothing(case: Case) -> Iterator[Finding]:
    """What a draining worker gives back uses up no attempt."""
    for run_id, changes in case.changes.items():
        for change in changes:
            worker_id = change.old_worker_id or ""
            begun = case.draining.get(worker_id, change.at + 1)
            if _is_return(change) and _is_counted(change) and begun <= change.at:
                member = case.members.get(worker_id, "")
                # What an executor held that was gone before is counted.
                gone = case.records("executor_gone", member, begun - _GIVING_BACK, begun + SECOND // 10)
                if not gone and not case.troubled(_way_to_postgres(member), begun, change.at):
                    yield Finding(f"the drain of worker {worker_id} used up an attempt of {run_id}", run_id)
