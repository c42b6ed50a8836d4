"""The invariants of the design, each a function of the evidence that yields what broke it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from tests.faults import (
    checks_events,
    checks_evidence,
    checks_execution,
    checks_processes,
    checks_runs,
    checks_surroundings,
)
from tests.faults.case import Case, Finding
from tests.faults.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant was broken: which, how, and what the evidence says of the run or thread that it is about."""

    invariant: str
    text: str
    excerpt: tuple[str, ...] = ()


Check = Callable[[Case], Iterator[Finding]]

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "I1": (
        checks_runs.ends_once,
        checks_runs.ends_as_expected,
        checks_runs.told_the_truth,
        checks_runs.crons_tick_once,
        checks_runs.webhooks_are_delivered,
        checks_runs.deleted_is_gone,
    ),
    "I2": (checks_runs.one_runs, checks_runs.begun_in_order, checks_execution.code_of_one_runs),
    "I3": (checks_execution.no_stale_writes, checks_execution.values_change_at_ends),
    "I4": (checks_execution.applied_once, checks_execution.checkpointed_not_repeated),
    "I5": (checks_execution.three_attempts, checks_processes.returns_have_causes),
    "I6": (
        checks_events.nothing_twice_or_late,
        checks_events.one_run_after_another,
        checks_events.complete,
        checks_events.logged_to_the_end,
        checks_events.what_is_read_is_logged,
        checks_events.as_logged,
    ),
    "I7": (checks_events.every_stream_ends, checks_events.streams_end_in_time),
    "I8": (checks_runs.cancels_take_effect, checks_execution.nothing_runs_after_the_end),
    "I9": (checks_runs.rolled_back_is_gone,),
    "I10": (checks_surroundings.redis_holds_hints,),
    "I11": (checks_surroundings.strangers_learn_nothing,),
    "I12": (checks_surroundings.bad_input_changes_nothing, checks_surroundings.no_internals),
    "I13": (checks_processes.drains_lose_nothing,),
    "I14": (
        checks_surroundings.processes_stay_small,
        checks_surroundings.back_at_the_baseline,
        checks_surroundings.nothing_is_left_behind,
    ),
    "recovery": (
        checks_surroundings.nothing_surprises,
        checks_processes.workers_are_gone_for_a_reason,
        checks_processes.executors_end_for_a_reason,
        checks_processes.errors_have_causes,
    ),
    "evidence": (checks_evidence.all_is_noted, checks_evidence.all_was_played),
}
"""By the names of the design. "recovery": processes live on, whatever becomes of what they stand on. "evidence": there
is something to judge."""


def check(evidence: Evidence, *, without: Collection[str] = ()) -> list[Violation]:
    """Everything that was broken, by invariant; `without` some of them."""
    case = Case(evidence)
    return [
        Violation(name, finding.text, tuple(case.excerpt(finding)))
        for name, checks in CHECKS.items()
        if name not in without
        for one in checks
        for finding in one(case)
    ]
