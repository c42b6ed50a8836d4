"""The rows and statements that following needs, each atomic at a moment between its request and its answer.

What the statements do is written down here a second time; `test_simulated_postgres` holds it against the real ones.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from runwire.core import sql
from runwire.stream import log, thread_log
from runwire.worker import outbox
from tests.model.virtual_loop import VirtualLoop
from tests.model.weather import Weather

_LOG = sql.load(log.__file__)
_THREAD_LOG = sql.load(thread_log.__file__)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

FINAL = ("success", "interrupted", "error", "timeout", "cancelled")


def moment(seconds: float) -> datetime:
    """A virtual time as the database's."""
    return _EPOCH + timedelta(seconds=seconds)


@dataclass(slots=True, eq=False)
class RunRow:
    """A row of `runs` and the run's rows of `run_events`: (claim, first number) to (last number, bytes)."""

    run_id: UUID
    thread_id: str | None = None
    event_log: bool = True
    status: str = "pending"
    ready: bool = True
    claim: int = 0
    cancel_action: str | None = None
    events_expired: bool = False
    error_type: str | None = None
    began_at: float | None = None
    finished_at: float | None = None
    events: dict[tuple[int, int], tuple[int, bytes]] = field(default_factory=dict)

    def remove_repeated(self, claim: int, first_seq: int) -> None:
        """Batches that a run's last one repeats."""
        for place in [place for place in self.events if place[0] == claim and place[1] >= first_seq]:
            del self.events[place]

    @property
    def place(self) -> float | None:
        """Where it is among its thread's runs."""
        return self.finished_at if self.began_at is None else self.began_at


class SimulatedPostgres:
    """In the place of a pool. Its other methods are decisions that others take, at once."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, weather: Weather) -> None:
        self._loop = loop
        self._rng = rng
        self._weather = weather
        self.runs: dict[UUID, RunRow] = {}
        self.final_statuses: dict[UUID, str] = {}
        self.is_calm = False
        self._effects: dict[str, Callable[..., Any]] = {
            _LOG["look"]: self.look,
            _LOG["newest_batch"]: self.newest_batch,
            _LOG["final_status_of_removed"]: self.final_status_of_removed,
            _THREAD_LOG["next_runs"]: self.next_runs,
            _THREAD_LOG["is_of_thread"]: self.is_of_thread,
            outbox.SQL["log_events"]: self.log_events,
            "finish": self.finish,
        }

    async def fetch(self, statement: str, *args: Any, timeout: float | None = None) -> Any:
        return await self.ask(statement, *args)

    fetchrow = fetchval = execute = fetch

    async def ask(self, statement: str, *args: Any) -> Any:
        """A statement's effect is not undone when its caller goes away."""
        answer = self._loop.create_future()
        self._loop.call_later(self._travel(), self._arrive, self._effects[statement], args, answer)
        return await answer

    def _travel(self) -> float:
        return self._weather.latency if self.is_calm else self._weather.travel(self._rng)

    def _arrive(self, effect: Callable[..., Any], args: tuple[Any, ...], answer: Any) -> None:
        weather, now, fate = self._weather, self._loop.time(), self._rng.random()
        if self.is_calm:
            fate = 1.0
        is_away = any(begin <= now < end for begin, end in weather.postgres_away)
        error = ConnectionResetError("postgres")
        if is_away or fate < weather.refused:
            result: Any = error
        else:
            try:
                result = effect(*args)
            except Exception as failure:
                result = failure
            self._loop.note("executed", effect.__name__, args, result)
            if fate < weather.refused + weather.answer_lost:
                result = error
        if result is error:
            self._loop.note("failed", effect.__name__, args)
        self._loop.call_later(self._travel(), _settle, answer, result)

    # Statements

    def look(
        self, tenant: str, run_id: UUID, claim: int, seq: int, limit_bytes: int, limit: int
    ) -> list[dict[str, Any]]:
        run = self.runs.get(run_id)
        if run is None:
            return []
        row = {
            "thread_id": run.thread_id,
            "status": run.status,
            "claim": run.claim,
            "has_begun": run.began_at is not None,
            "event_log": run.event_log,
            "events_expired": run.events_expired,
            "error_type": run.error_type,
            "error_message": run.error_type and "",
            "finished_at": None if run.finished_at is None else moment(run.finished_at),
            "has_just_ended": run.finished_at is not None and run.finished_at > self._loop.time() - 5,
        }
        batches = self._page(run, claim, seq, limit)
        rows, size = [], 0
        for batch_claim, first, last, events in batches:
            if size < limit_bytes:
                rows.append(_batch(row, batch_claim, first, last, events, len(batches)))
            size += len(events)
        return rows or [_batch(row, None, None, None, None, None)]

    def _page(self, run: RunRow, claim: int, seq: int, limit: int) -> list[tuple[int, int, int, bytes]]:
        begin = (claim, max((f for c, f in run.events if c == claim and f <= seq), default=0))
        found = [
            (c, f, last, events)
            for (c, f), (last, events) in sorted(run.events.items())
            if (c, f) >= begin and (c, last) > (claim, seq)
        ]
        return found[:limit]

    def newest_batch(self, tenant: str, run_id: UUID) -> dict[str, Any] | None:
        run = self.runs.get(run_id)
        if run is None:
            return None
        (claim, first), (last, events) = max(run.events.items(), default=((None, None), (None, None)))
        return {
            "events_expired": run.events_expired,
            "claim": claim,
            "first_seq": first,
            "last_seq": last,
            "events": events,
        }

    def final_status_of_removed(self, tenant: str, run_id: UUID) -> str | None:
        return self.final_statuses.get(run_id)

    def log_events(self, *columns: list[Any]) -> None:
        for _, run_id, claim, first, last, events in zip(*columns, strict=True):
            run = self.runs.get(run_id)
            if run is not None and run.status == "running" and run.claim == claim:
                before = run.events.get((claim, first))
                if before is None or before[0] < last:
                    run.events[claim, first] = (last, events)

    def finish(self, run_id: UUID, claim: int, status: str, error_type: str | None, last: Any) -> str:
        run = self.runs.get(run_id)
        if run is None or run.status != "running" or run.claim != claim:
            return "stale"
        if status == "cancelled" and not run.cancel_action:
            return "stale"
        if run.cancel_action and status != "cancelled":
            return "cancel_requested"
        if run.cancel_action == "rollback":
            self.remove(run)
            return "rolled_back"
        if last is not None:
            run.remove_repeated(claim, last.first_seq)
            run.events[claim, last.first_seq] = (last.last_seq, last.events)
        self.end(run, status, error_type)
        return "finished"

    def next_runs(self, tenant: str, thread_id: str, after: datetime | None, limit: int) -> list[dict[str, Any]]:
        now = self._loop.time()
        runs = [run for run in self.runs.values() if run.thread_id == thread_id]
        since = now if after is None else (after - _EPOCH).total_seconds()
        begun = sorted((r for r in runs if r.place is not None and r.place > since + 5e-7), key=lambda r: r.place or 0)
        last_began_at = (
            moment(max((r.began_at for r in runs if r.began_at is not None), default=-1)) if after is None else None
        )
        chosen = begun[:limit] + [r for r in runs if r.status == "running" or r.ready]
        rows = [
            {
                "now": moment(now),
                "last_began_at": last_began_at,
                "run_id": run.run_id,
                "began_at": None if run.place is None else moment(run.place),
                "is_final": run.finished_at is not None,
                "is_next": run.ready and run.began_at is None,
                "may_be_early": run.began_at is None
                and (None if run.finished_at is None else run.finished_at > now - 2),
            }
            for run in dict.fromkeys(chosen)
        ]
        rows.sort(key=lambda row: (row["began_at"] is None, row["began_at"]))
        nothing = dict.fromkeys(("run_id", "began_at", "is_next", "may_be_early"))
        return rows or [{"now": moment(now), "last_began_at": last_began_at, "is_final": False, **nothing}]

    def is_of_thread(self, tenant: str, run_id: UUID, thread_id: str) -> bool | None:
        run = self.runs.get(run_id)
        return None if run is None else run.thread_id == thread_id

    # Decisions

    def claim_run(self, run: RunRow, began_at: float | None = None) -> int:
        """A worker takes a run; `began_at` is when it took it, which may be seen later."""
        self._loop.note("claimed", run.claim + 1)
        run.status, run.ready, run.claim = "running", False, run.claim + 1
        run.began_at = (self._loop.time() if began_at is None else began_at) if run.began_at is None else run.began_at
        return run.claim

    def release(self, run: RunRow, claim: int) -> None:
        """A run is given back; one with a cancel waiting ends."""
        self._loop.note("given back", claim)
        if self.runs.get(run.run_id) is not run or run.status != "running" or run.claim != claim:
            return
        if run.cancel_action == "rollback":
            self.remove(run)
        elif run.cancel_action:
            self.end(run, "cancelled", None)
        else:
            run.status, run.ready = "pending", True

    def cancel(self, run: RunRow, action: str) -> None:
        """Somebody asks for a run's end."""
        self._loop.note("cancelled", action, run.status)
        if run.status == "running":
            run.cancel_action = "rollback" if "rollback" in (action, run.cancel_action) else action
        elif run.status == "pending":
            if action == "rollback":
                self.remove(run)
            else:
                self.end(run, "cancelled", None)

    def end(self, run: RunRow, status: str, error_type: str | None) -> None:
        """The run is final."""
        self._loop.note("ended", status)
        run.status, run.ready, run.error_type, run.cancel_action = status, False, error_type, None
        run.finished_at = self._loop.time()
        self._pass_turn_on(run)

    def remove(self, run: RunRow) -> None:
        """The run is undone, or deleted."""
        self._loop.note("removed")
        if self.runs.pop(run.run_id, None) is not None and run.finished_at is not None:
            self.final_statuses[run.run_id] = run.status
        self._pass_turn_on(run)

    def create(self, run: RunRow) -> None:
        """A run at the end of its thread's queue."""
        run.ready = False
        self.runs[run.run_id] = run
        self._pass_turn_on(run)

    def _pass_turn_on(self, run: RunRow) -> None:
        queue = [r for r in self.runs.values() if r.thread_id == run.thread_id and r.finished_at is None]
        if run.thread_id is not None and queue and not any(r.ready or r.status == "running" for r in queue):
            queue[0].ready = True

    def expire(self, run: RunRow) -> None:
        """The run's events are past their retention."""
        self._loop.note("events expired")
        run.events.clear()
        run.events_expired = True


def _batch(row: dict[str, Any], claim: Any, first: Any, last: Any, events: Any, found: Any) -> dict[str, Any]:
    return {**row, "batch_claim": claim, "first_seq": first, "last_seq": last, "events": events, "found": found}


def _settle(answer: Any, result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
