"""The evidence, sorted by run and thread, and what excuses a process for what it did while it was out of its mind."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.faults.evidence import Change, Evidence, Row, Saved
from tests.faults.journal import Line
from tests.faults.logs import Record

FINAL = frozenset({"success", "interrupted", "error", "timeout", "cancelled"})
SECOND = 1_000_000_000
_EXCERPT_LINES = 60
_EXCERPT_BEFORE = 6 * SECOND
_ZOMBIE_NANOSECONDS = 3 * SECOND


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and which run or thread it is about."""

    text: str
    run_id: str = ""
    thread_id: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault: when it was, and what it touched."""

    begun: int
    ended: int
    touches: frozenset[str]


class Case:
    """Evidence with its indexes."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @cached_property
    def created(self) -> dict[str, dict[str, Any]]:
        """The acknowledged creations, by run."""
        return {entry["run"]: entry for entry in self.evidence.of("created")}

    @cached_property
    def delayed(self) -> set[str]:
        """Runs that were due later than they were created: those that are due before them pass them."""
        return {entry["run"] for entry in self.evidence.of("created") if entry.get("delayed")}

    @cached_property
    def cancels(self) -> dict[str, list[bool]]:
        """Whether each cancel of a run that was asked for, answered or not, was to undo the run."""
        found: dict[str, list[bool]] = defaultdict(list)
        for entry in self.evidence.of("cancelling"):
            found[entry["run"]].append(entry["rollback"])
        return found

    @cached_property
    def deleted(self) -> dict[str, Change]:
        """The removals of runs that had ended and that somebody wanted removed, by run."""
        wanted = {entry["run"] for entry in self.evidence.of("deleting")}
        removals = [each for each in self.evidence.changes if each.status is None and each.old_status in FINAL]
        return {each.run_id: each for each in removals if each.run_id in wanted}

    @cached_property
    def rows(self) -> dict[str, Row]:
        """Runs as they ended, also those that were deleted then."""
        return self.evidence.rows | {
            run_id: Row(status=str(removal.old_status), claim=removal.old_claim, attempts=removal.old_attempts)
            for run_id, removal in self.deleted.items()
        }

    @cached_property
    def _creating(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in self.evidence.of("creating"):
            found[entry["thread"]].append(entry)
        return found

    def creating_on(self, thread_id: str) -> list[dict[str, Any]]:
        """The creations on a thread that were begun, answered or not."""
        return self._creating[thread_id] if thread_id else []

    @cached_property
    def changes(self) -> dict[str, list[Change]]:
        """The changes of each run, but for its deletion."""
        found: dict[str, list[Change]] = defaultdict(list)
        for change in self.evidence.changes:
            if change != self.deleted.get(change.run_id):
                found[change.run_id].append(change)
        return found

    @cached_property
    def lines(self) -> dict[str, list[Line]]:
        """The journal's lines of each run."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in self.evidence.journal:
            found[line.run_id].append(line)
        return found

    @cached_property
    def saved(self) -> dict[str, list[Saved]]:
        """The checkpoints of each run."""
        found: dict[str, list[Saved]] = defaultdict(list)
        for each in self.evidence.saved:
            if each.run_id is not None:
                found[each.run_id].append(each)
        return found

    @cached_property
    def ended_at(self) -> dict[str, int]:
        """When each run ended, or was removed."""
        return {
            change.run_id: change.at
            for change in self.evidence.changes
            if change.old_status in ("pending", "running") and (change.status is None or change.status in FINAL)
        }

    def is_logged(self, run_id: str) -> bool:
        """Whether its events are kept. Runs that no user has created are made with the defaults."""
        return bool(self.created.get(run_id, {}).get("logged", True))

    @cached_property
    def stopped(self) -> dict[int, list[tuple[int, int]]]:
        """When each process was stopped. What it does next, it may do as an owner that has lost its claim."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for entry in self.evidence.of("fault"):
            for pid in entry.get("stopped", ()):
                found[pid].append((entry["until"] - round(entry["seconds"] * 1e9), entry["until"]))
        return found

    def is_stale_owner(self, line: Line) -> bool:
        """Whether the line may be of a process that was stopped, and has not yet found out what it missed."""
        windows = (*self.stopped.get(line.pid, ()), *self.stopped.get(line.parent, ()))
        return any(begun <= line.at <= ended + _ZOMBIE_NANOSECONDS for begun, ended in windows)

    @cached_property
    def troubles(self) -> list[Trouble]:
        """The faults, in the order in which they began."""
        found = [
            Trouble(
                entry["until"] - round(entry["seconds"] * SECOND),
                entry["until"],
                frozenset(entry["touches"]),
            )
            for entry in self.evidence.of("fault")
        ]
        return sorted(found, key=_begun)

    @cached_property
    def _longest_trouble(self) -> int:
        return max((each.ended - each.begun for each in self.troubles), default=0)

    def _troubles(self, first: int, last: int) -> list[Trouble]:
        """Those that began between two times. There may be thousands, and each of a hundred thousand readers asks."""
        return self.troubles[
            bisect_left(self.troubles, first, key=_begun) : bisect_right(self.troubles, last, key=_begun)
        ]

    def troubled(self, names: Iterable[str], first: int, last: int, *, after: int = SECOND) -> bool:
        """Whether a fault touched one of these between two times, or had until `after` nanoseconds before."""
        wanted = set(names)
        near = self._troubles(first - after - self._longest_trouble, last + SECOND)
        return any(first <= each.ended + after and each.touches & wanted for each in near)

    @cached_property
    def of_streams(self) -> set[str]:
        """What a fault touches that may be felt by followers."""
        return {"postgres", "redis", *(name for each in self.troubles for name in each.touches if "stream" in name)}

    def last_trouble(self, names: set[str], before: int) -> int:
        """The end of the last fault that touched one of these before a time, or that time where one went on."""
        latest = 0
        for each in reversed(self._troubles(0, before - 1)):
            if each.begun + self._longest_trouble <= latest:
                break
            if each.touches & names:
                latest = max(latest, min(each.ended, before))
        return latest

    @cached_property
    def draining(self) -> dict[str, int]:
        """When workers began to drain: by their rows, or where that was not written, by the signal that they got."""
        found = {life.worker_id: life.at for life in self.evidence.lives if life.event == "draining"}
        for entry in self.evidence.of("fault"):
            at, member = entry.get("told_to_end", 0), entry.get("target", "")
            lives = self.records("registered", member, 0, at - 1)
            # One that was in trouble just before may have been dead already.
            own = {member, f"postgres<{member}", "postgres"}
            if lives and not any(
                at - 8 * SECOND <= each.ended <= at and each.touches & own
                for each in self._troubles(at - 8 * SECOND - self._longest_trouble, at)
            ):
                found.setdefault(lives[-1].worker_id, at)
        return found

    @cached_property
    def members(self) -> dict[str, str]:
        """The member that each worker was a life of."""
        return {record.worker_id: record.member for record in self.evidence.records if record.action == "registered"}

    @cached_property
    def _records(self) -> dict[tuple[str, str], list[Record]]:
        found: dict[tuple[str, str], list[Record]] = defaultdict(list)
        for record in self.evidence.records:
            found[record.action, record.member].append(record)
        return found

    def records(self, action: str, member: str, first: int, last: int) -> list[Record]:
        """What a member logged between two times."""
        return [record for record in self._records[action, member] if first <= record.at <= last]

    def excerpt(self, finding: Finding) -> Iterator[str]:
        """What the evidence says of the run or thread of a finding, in order of time."""
        # Of readers who got nothing there may be many.
        told = [e for e in self.evidence.history if _is_about(finding, e) and e.get("parts") != []]
        own = [
            *((e["until"], f"history {_short(e)}") for e in told),
            *((c.at, f"change  {c}") for c in self.evidence.changes if _is_about(finding, c)),
            *((n.at, f"journal {n}") for n in self.evidence.journal if _is_about(finding, n)),
        ]
        if own:
            first, last = min(own)[0] - _EXCERPT_BEFORE, max(own)[0]
            faults = [(e["until"], f"fault   {_short(e)}") for e in self.evidence.of("fault")]
            lines = sorted([*own, *(fault for fault in faults if first <= fault[0] <= last)])
            for at, text in lines[:_EXCERPT_LINES]:
                yield f"{at / 1e9:.3f} {text}"


def _begun(trouble: Trouble) -> int:
    return trouble.begun


def _is_about(finding: Finding, what: Any) -> bool:
    run_id, thread_id = (
        (what.get("run"), what.get("thread")) if isinstance(what, dict) else (what.run_id, what.thread_id)
    )
    if finding.run_id:
        return bool(run_id == finding.run_id)
    return bool(finding.thread_id) and bool(thread_id == finding.thread_id)


def _short(entry: dict[str, Any]) -> str:
    return str({key: value for key, value in entry.items() if key not in ("at", "until")})[:600]
