"""A run's life in plain Python: what the statements have to come to, told without a thought of how they do it.

Time is a number: a million is a minute, and each step takes one, so that no two moments are alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE = 1_000_000
LEASE = 5 * MINUTE
RUN_TIMEOUT = 2 * MINUTE
MAX_ATTEMPTS = 3
UPDATE_PATIENCE = 4 * MINUTE

Write = tuple[int, str]
"""The run that wrote, and what."""


@dataclass
class Checkpoints:
    """What the checkpoint tables have of one thread: checkpoints in order, blobs and writes."""

    made: list[tuple[str, int, tuple[tuple[str, str], ...]]] = field(default_factory=list)
    """Each one's id, its run, and the versions of its channels."""
    blobs: set[tuple[str, str]] = field(default_factory=set)
    writes: dict[tuple[str, int], tuple[Write, Write | None]] = field(default_factory=dict)
    """By checkpoint and position: what is there, and what of another run it took the place of."""

    def put(self, checkpoint_id: str, run: int) -> None:
        base = self.made[0][2][0][1] if self.made else checkpoint_id
        versions = (("base", base), ("own", checkpoint_id))
        self.made.append((checkpoint_id, run, versions))
        self.blobs |= set(versions)

    def write(self, position: int, run: int, value: str) -> None:
        place = (self.made[-1][0], position)
        before = self.writes.get(place)
        if before is None:
            self.writes[place] = ((run, value), None)
        elif position < 0:
            self.writes[place] = ((run, value), before[0] if before[0][0] != run else before[1])

    def undo(self, run: int) -> None:
        gone = {checkpoint_id for checkpoint_id, of_run, _ in self.made if of_run == run}
        self.made = [each for each in self.made if each[1] != run]
        kept = {version for _, _, versions in self.made for version in versions}
        self.blobs &= kept
        for place, (now, before) in list(self.writes.items()):
            if place[0] in gone:
                del self.writes[place]
            elif now[0] == run:
                del self.writes[place]
                if before is not None:
                    self.writes[place] = (before, None)

    def picture(self) -> tuple[object, ...]:
        """All of it, to compare; what was replaced by a run that has ended since does not count."""
        return list(self.made), set(self.blobs), {place: now for place, (now, _) in self.writes.items()}


@dataclass
class Thread:
    """A thread, how its last run left it, and how it was when its active run began."""

    status: str = "idle"
    values: int | None = None
    has_graph: bool = False
    before: tuple[object, ...] | None = None


@dataclass
class Run:
    """A run that has a row."""

    number: int
    thread: str | None
    due: int
    webhook: bool
    status: str = "pending"
    ready: bool = False
    claim: int = 0
    attempts: int = 0
    worker: int | None = None
    executor: int | None = None
    cancel: str | None = None
    deadline: int = 0
    events: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        return self.status in ("pending", "running")


@dataclass
class Worker:
    """A worker that has a row."""

    heartbeat: int
    draining: bool = False


@dataclass
class Update:
    """A state update that has a row."""

    number: int
    thread: str
    created: int
    status: str = "pending"
    claim: int = 0
    worker: int | None = None


class Model:
    """The tables, and the decisions."""

    def __init__(self) -> None:
        self.now = 0
        self.threads: dict[str, Thread] = {}
        self.runs: dict[int, Run] = {}
        self.workers: dict[int, Worker] = {}
        self.updates: dict[int, Update] = {}
        self.checkpoints: dict[str, Checkpoints] = {}
        self.webhooks: list[tuple[int, str, bool]] = []
        self.owed: dict[int, int] = {}
        """How often each run's end was told."""
        self.gone: set[int] = set()
        """The runs that had a row."""
        self.begun: dict[int, int] = {}
        """Attempts of each run that were begun and not given back."""

    def of_thread(self, thread: str | None) -> list[Run]:
        """Its active runs, those first that are first in the queue."""
        runs = [run for run in self.runs.values() if run.thread == thread and run.is_active]
        return sorted(runs, key=lambda run: (run.due, run.number))

    def is_alive(self, worker: Worker) -> bool:
        return not worker.draining and worker.heartbeat + LEASE >= self.now

    # Decisions

    def create(self, number: int, thread: str | None, strategy: str, delay: int, webhook: bool) -> str:
        active = self.of_thread(thread) if thread is not None else []
        if active and strategy == "reject":
            return "thread_busy"
        if strategy in ("interrupt", "rollback"):
            for run in reversed(active):
                self._stop(run, strategy)
        if thread is not None:
            self.threads.setdefault(thread, Thread()).has_graph = True
        self.runs[number] = Run(number, thread, self.now + delay, webhook)
        self.turn(thread)
        return "created"

    def create_again(self, number: int) -> str:
        return "id_reused" if number in self.gone else "exists"

    def claim(self, worker: int, executor: int, limit: int) -> list[Run]:
        owner = self.workers.get(worker)
        if owner is None or owner.draining:
            return []
        due = sorted((r for r in self.runs.values() if r.ready and r.due <= self.now), key=lambda r: (r.due, r.number))
        for run in due[:limit]:
            if run.claim == 0 and run.thread is not None:
                self.threads[run.thread].before = self._picture(run)
            run.status, run.ready, run.worker, run.executor = "running", False, worker, executor
            run.claim += 1
            self.begun[run.number] = self.begun.get(run.number, 0) + (run.attempts < MAX_ATTEMPTS)
            run.attempts = min(run.attempts + 1, MAX_ATTEMPTS)
            run.deadline = self.now + RUN_TIMEOUT
        return due[:limit]

    def held(self, number: int, claim: int) -> Run | None:
        """The fence."""
        run = self.runs.get(number)
        return run if run is not None and run.status == "running" and run.claim == claim else None

    def finish(self, number: int, claim: int, status: str, values: int | None, last: tuple[int, int] | None) -> str:
        run = self.held(number, claim)
        if run is None or (status == "cancelled" and run.cancel is None):
            return "stale"
        if run.cancel and status != "cancelled":
            return "cancel_requested"
        if run.cancel == "rollback":
            self._end_cancelled(run, "rollback")
            return "rolled_back"
        if last is not None:
            run.events = {k: v for k, v in run.events.items() if k[0] != claim or k[1] < last[0]}
            run.events[claim, last[0]] = last[1]
        self._end(run, status)
        if run.thread is not None:
            thread = self.threads[run.thread]
            thread.status = {"error": "error", "timeout": "error", "interrupted": "interrupted"}.get(status, "idle")
            thread.values = thread.values if values is None else values
        else:
            self.checkpoints.pop(self.checkpoint_thread(run), None)
        self.turn(run.thread)
        return "finished"

    def release(self, number: int, claim: int, *, use_up: bool, delay: int = 0) -> None:
        run = self.held(number, claim)
        if run is None:
            return
        if run.cancel:
            self._end_cancelled(run, run.cancel)
            return
        run.status, run.worker, run.executor = "pending", None, None
        if delay:
            run.due = self.now + delay
        if not use_up:
            run.attempts -= 1
            self.begun[number] -= 1
        self.turn(run.thread)

    def cancel(self, number: int, action: str) -> str:
        run = self.runs.get(number)
        if run is None:
            return "not_found"
        if not run.is_active:
            return "ended"
        outcome = "requested" if run.status == "running" else "cancelled"
        self._stop(run, action)
        self.turn(run.thread)
        return outcome

    def cancel_all(self, thread: str, action: str) -> int:
        active = self.of_thread(thread)
        for run in reversed(active):
            self._stop(run, action)
        self.turn(thread)
        return len(active)

    def delete(self, number: int) -> str:
        run = self.runs.get(number)
        if run is None:
            return "not_found"
        if run.is_active:
            return "not_finished"
        self._remove(run)
        self.webhooks = [each for each in self.webhooks if each[0] != number]
        return "deleted"

    def reap(self) -> None:
        for number, worker in list(self.workers.items()):
            if worker.heartbeat + LEASE < self.now:
                del self.workers[number]
        self.give_back_orphans()

    def give_back_orphans(self) -> None:
        """Runs whose worker has no row."""
        for run in list(self.runs.values()):
            if run.status == "running" and run.worker not in self.workers:
                self.release(run.number, run.claim, use_up=True)

    # Updates of a thread's state

    def ask_update(self, number: int, thread: str) -> bool:
        known = self.threads.get(thread)
        served = any(self.is_alive(worker) for worker in self.workers.values())
        if known is None or not known.has_graph or not served or self.of_thread(thread):
            return False
        self.updates[number] = Update(number, thread, self.now)
        return True

    def claim_update(self, worker: int) -> Update | None:
        first: dict[str, Update] = {}
        for update in sorted(self.updates.values(), key=lambda u: u.created):
            if update.status != "done":
                first.setdefault(update.thread, update)
        for update in sorted(first.values(), key=lambda u: u.created):
            if update.status == "pending" and update.claim < 3 and update.created + UPDATE_PATIENCE > self.now:
                update.status, update.worker = "running", worker
                update.claim += 1
                return update
        return None

    def end_update(self, number: int, claim: int) -> bool:
        update = self.updates.get(number)
        if update is None or update.status != "running" or update.claim != claim:
            return False
        update.status = "done"
        self.turn(update.thread)
        return True

    def tend_updates(self) -> None:
        for update in list(self.updates.values()):
            if update.created + UPDATE_PATIENCE < self.now - MINUTE // 12:
                del self.updates[update.number]
                self.turn(update.thread)
            elif update.status == "running" and update.worker not in self.workers:
                update.status, update.worker = "pending", None

    # What follows

    def turn(self, thread: str | None) -> None:
        """Whose turn it is: of a thread's runs at most one is ready, and it is the head of the queue."""
        if thread is None:
            for run in self.runs.values():
                run.ready = run.status == "pending" if run.thread is None else run.ready
            return
        active = self.of_thread(thread)
        for run in active:
            run.ready = False
        if any(run.status == "running" for run in active):
            return
        if any(update.thread == thread and update.status != "done" for update in self.updates.values()):
            return
        # What another run would build on is not left half done.
        begun = [run for run in active if run.claim > 0]
        for run in (begun or active)[:1]:
            run.ready = True

    def checkpoint_thread(self, run: Run) -> str:
        return run.thread if run.thread is not None else f"run {run.number}"

    def _stop(self, run: Run, action: str) -> None:
        if run.status == "running":
            run.cancel = "rollback" if "rollback" in (run.cancel, action) else action
        else:
            self._end_cancelled(run, action)

    def _end_cancelled(self, run: Run, action: str) -> None:
        if action == "rollback":
            self._undo(run)
            self._remove(run)
            self._owe(run, "cancelled", rolled_back=True)
        else:
            self._end(run, "cancelled")
        if run.thread is None:
            self.checkpoints.pop(self.checkpoint_thread(run), None)
        self.turn(run.thread)

    def _remove(self, run: Run) -> None:
        del self.runs[run.number]
        self.gone.add(run.number)

    def _end(self, run: Run, status: str) -> None:
        run.status, run.ready, run.worker, run.executor, run.cancel = status, False, None, None, None
        self._owe(run, status, rolled_back=False)

    def _owe(self, run: Run, status: str, *, rolled_back: bool) -> None:
        self.owed[run.number] = self.owed.get(run.number, 0) + 1
        if run.webhook:
            self.webhooks.append((run.number, status, rolled_back))

    def _undo(self, run: Run) -> None:
        if run.claim > 0 and run.thread is not None:
            self.checkpoints.setdefault(run.thread, Checkpoints()).undo(run.number)
            # I9: the thread is as it was before the run.
            assert self._picture(run) == self.threads[run.thread].before

    def _picture(self, run: Run) -> tuple[object, ...]:
        thread = self.threads[run.thread or ""]
        kept = self.checkpoints.get(self.checkpoint_thread(run), Checkpoints())
        return kept.picture(), thread.status, thread.values
