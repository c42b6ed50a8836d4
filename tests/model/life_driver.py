"""Does to a real Postgres, by the product's own modules, what is done to the model, and compares the two."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.core import sql
from runwire.core.bus import Keys
from runwire.core.errors import IdReused, RunNotFinished, RunNotFound, ThreadBusy
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.run_message import STRATEGIES
from runwire.core.settings import Settings
from runwire.dispatch import thread_state as questions
from runwire.dispatch.clockwork import Clockwork
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import RunOrder
from runwire.dispatch.run_requests import digest as digest_of
from runwire.dispatch.runs import Runs
from runwire.dispatch.runs_checks import CancelOrder
from runwire.worker import checkpoint, outbox, thread_state, thread_state_updates
from runwire.worker.claims import ClaimedRun, Claims, Ending, LoggedEvents
from runwire.worker.registration import Registration
from tests.model.life_model import MAX_ATTEMPTS, MINUTE, Checkpoints, Model, Run, Worker

CHECKPOINT = sql.load(checkpoint.__file__)
QUESTIONS = sql.load(questions.__file__)
STATE = sql.load(thread_state.__file__)
UPDATES = sql.load(thread_state_updates.__file__)
GRAPH = "g"
_OF_UPDATES = 0  # The executor that claims them.
ASSISTANT = """
WITH made AS (INSERT INTO assistants (assistant_id, version) VALUES ('a', 1))
INSERT INTO assistant_versions (assistant_id, version, graph_id, name) VALUES ('a', 1, 'g', 'a')
"""
CLEAR = """
DELETE FROM runs; DELETE FROM threads; DELETE FROM workers; DELETE FROM webhook_deliveries;
DELETE FROM checkpoints; DELETE FROM checkpoint_blobs; DELETE FROM checkpoint_writes; DELETE FROM removed_runs
"""
_MINUTES = "interval '1 minute'"
SHIFT = f"""
WITH r AS (UPDATE runs SET due_at = due_at - $1 * {_MINUTES}, deadline_at = deadline_at - $1 * {_MINUTES}),
s AS (UPDATE state_requests SET created_at = created_at - $1 * {_MINUTES}, deadline_at = deadline_at - $1 * {_MINUTES})
UPDATE workers SET heartbeat_at = heartbeat_at - $1 * {_MINUTES}
"""
PICTURE = """
SELECT json_build_object(
    'runs', (SELECT json_agg(json_build_array(run_id, thread_id, status, ready, claim, attempts, worker_id, executor,
        cancel_action, finished_at IS NOT NULL) ORDER BY run_id) FROM runs),
    'threads', (SELECT json_agg(json_build_array(thread_id, status, values, graph_id) ORDER BY thread_id) FROM threads),
    'workers', (SELECT json_agg(json_build_array(worker_id, draining) ORDER BY worker_id) FROM workers),
    'updates', (SELECT json_agg(json_build_array(request_id, thread_id, status, claim) ORDER BY request_id)
        FROM state_requests),
    'events', (SELECT json_agg(json_build_array(run_id, claim, first_seq, last_seq) ORDER BY run_id, claim, first_seq)
        FROM run_events),
    'checkpoints', (SELECT json_agg(json_build_array(thread_id, checkpoint_id, metadata ->> 'run_id')
        ORDER BY checkpoint_id) FROM checkpoints),
    'blobs', (SELECT json_agg(json_build_array(thread_id, channel, version)
        ORDER BY thread_id, channel, version) FROM checkpoint_blobs),
    'writes', (SELECT json_agg(json_build_array(thread_id, checkpoint_id, idx, run_id, convert_from(blob, 'UTF8'))
        ORDER BY thread_id, checkpoint_id, idx) FROM checkpoint_writes),
    'webhooks', (SELECT json_agg(json_build_array(run_id, body::json -> 'data' ->> 'status',
        body::json -> 'data' -> 'rolled_back') ORDER BY run_id) FROM webhook_deliveries)
)
"""


def run_id(number: int) -> UUID:
    return UUID(int=1000 + number)


class Wakes:
    """In the place of the bus: remembers which graphs were woken for."""

    keys = Keys("model")

    def __init__(self) -> None:
        self.graphs: list[str] = []
        self.stopped: list[UUID] = []

    async def wake(self, graph_ids: Any) -> None:
        self.graphs += list(graph_ids)

    async def wake_for_state(self, graph_id: str) -> None:
        """Not followed here."""

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        return True

    async def cancel(self, stopping: Sequence[tuple[RunKey, UUID, str]]) -> None:
        self.stopped += [run.run_id for run, _, _ in stopping]


@dataclass
class Held:
    """A claim that an executor has, or once had."""

    number: int
    run: ClaimedRun
    seq: int = 0


class Life:
    """The steps. Numbers choose among what there is."""

    def __init__(self, connection: Any, settings: Settings) -> None:
        self._db = connection
        self._settings = settings.model_copy(update={"lease": timedelta(minutes=5)})
        self.model = Model()
        self.wakes = Wakes()
        bus: Any = self.wakes
        self._hints = Hints(bus)
        self._runs = Runs(connection, self._hints)
        self._clockwork = Clockwork(connection, bus, settings)
        self._workers: dict[int, Registration] = {}
        self._orders: list[tuple[int, RunOrder]] = []
        self._held: list[Held] = []
        self._updates: list[tuple[int, int]] = []
        self._numbers = iter(range(1, 10_000))

    # Steps

    async def create(self, thread: str | None, strategy: str, delay: int, webhook: bool) -> None:
        number = next(self._numbers)
        request = CreateRunRequest(
            run_id=str(run_id(number)),
            thread_id=thread or "",
            assistant_id="a",
            multitask_strategy=STRATEGIES[strategy],
            if_thread_missing="IF_THREAD_MISSING_CREATE" if thread else "IF_THREAD_MISSING_UNSPECIFIED",
        )
        request.input.text = "{}"
        request.start_delay.FromTimedelta(timedelta(minutes=delay))
        if webhook:
            request.webhook.url = "https://example.com/"
        order = RunOrder(request=request, run_id=run_id(number), thread_id=thread, digest=digest_of(request))
        expected = self.model.create(number, thread, strategy, delay * MINUTE, webhook)
        try:
            row = await self._runs.create(DEFAULT_TENANT, order)
        except ThreadBusy:
            assert expected == "thread_busy"
        else:
            assert expected == row["outcome"]
            self._orders.append((number, order))

    async def create_all_again(self) -> None:
        """Each request that created a run comes once more."""
        for number, order in self._orders:
            try:
                outcome = (await self._runs.create(DEFAULT_TENANT, order))["outcome"]
            except IdReused:
                outcome = "id_reused"
            assert outcome == self.model.create_again(number)

    async def begin_worker(self) -> None:
        number = next(self._numbers)
        worker = Registration(self._db, self._settings)
        await worker.enter([GRAPH], 1)
        self._workers[number] = worker
        self.model.workers[number] = Worker(self.model.now)

    async def beat(self, choice: int, *, draining: bool) -> None:
        number = self._worker(choice)
        overdue = await self._workers[number].beat(draining=draining)
        worker = self.model.workers.get(number)
        if worker is None:
            assert overdue is None
            return
        worker.heartbeat, worker.draining = self.model.now, draining
        expected = {
            run_id(run.number): run.cancel is not None
            for run in self.model.runs.values()
            if run.status == "running" and run.worker == number and (run.cancel or run.deadline < self.model.now)
        }
        assert overdue is not None
        assert {each.run.run_id: each.cancel for each in overdue} == expected

    async def claim(self, choice: int, executor: int, limit: int) -> None:
        number = self._worker(choice)
        claims = self._claims(number, executor)
        before = {run.number: run.attempts for run in self.model.runs.values()}
        expected = self.model.claim(number, executor, limit)
        claimed = (await claims.claim([GRAPH], limit)).runs
        assert sorted(run.run_id for run in claimed) == sorted(run_id(run.number) for run in expected)
        for run in sorted(claimed, key=lambda run: run.run_id):
            held = Held(run.run_id.int - 1000, run)
            self._held.append(held)
            assert run.attempts == before[held.number] + 1
            assert self.model.begun[held.number] <= MAX_ATTEMPTS
            if run.attempts > MAX_ATTEMPTS:
                # It was begun as often as it may be: it is ended before any of its code runs.
                await self._finish(held, "error")

    async def finish(self, choice: int, status: str) -> None:
        if self._held:
            await self._finish(self._old(choice), status)

    async def _finish(self, held: Held, status: str) -> None:
        failed = status in ("error", "timeout")
        values = None if failed or status == "cancelled" else self.model.now
        first = held.seq + 1
        ending = Ending(
            status=status,
            output=None if values is None else str(values),
            error_type="Oops" if failed else None,
            error_message="oops" if failed else None,
        )
        expected = self.model.finish(held.number, held.run.claim, status, values, (first, first))
        finished = await self._claims_of(held).finish(held.run, ending, LoggedEvents(first, first, b"e"))
        assert finished.outcome == expected
        if finished.promoted_graph_id is not None:
            await self.wakes.wake([finished.promoted_graph_id])
        if finished.outcome == "cancel_requested":
            await self._finish(held, "cancelled")

    async def release(self, choice: int, *, use_up: bool, delay: int) -> None:
        if not self._held:
            return
        held = self._old(choice)
        self.model.release(held.number, held.run.claim, use_up=use_up, delay=delay * MINUTE)
        graph_id = await self._claims_of(held).release(held.run, use_up=use_up, delay=timedelta(minutes=delay))
        if graph_id is not None:
            await self.wakes.wake([graph_id])

    async def cancel(self, choice: int, action: str) -> None:
        number = self._run(choice)
        expected = self.model.cancel(number, action)
        try:
            row = await self._runs.cancel(DEFAULT_TENANT, run_id(number), action)
        except RunNotFound:
            assert expected == "not_found"
        else:
            assert row["outcome"] == expected

    async def cancel_all(self, thread: str, action: str) -> None:
        expected = self.model.cancel_all(thread, action)
        order = CancelOrder(run_ids=[], thread_id=thread, status=None, action=action)
        assert len(await self._runs.cancel_all(DEFAULT_TENANT, order)) == expected

    async def delete(self, choice: int) -> None:
        number = self._run(choice)
        expected = self.model.delete(number)
        try:
            await self._runs.delete(DEFAULT_TENANT, run_id(number))
            outcome = "deleted"
        except RunNotFound:
            outcome = "not_found"
        except RunNotFinished:
            outcome = "not_finished"
        assert outcome == expected

    async def put_checkpoint(self, choice: int) -> None:
        """An executor writes a checkpoint, whether or not its claim still holds (I3)."""
        if not self._held:
            return
        held = self._old(choice)
        checkpoint_id = f"{self.model.now:020d}"
        run = self.model.held(held.number, held.run.claim)
        kept = self.model.checkpoints.setdefault(self._checkpoint_thread(held), Checkpoints())
        base = kept.made[0][2][0][1] if kept.made else checkpoint_id
        if run is not None:
            kept.put(checkpoint_id, held.number)
        body = json.dumps({"v": 4, "channel_versions": {"base": base, "own": checkpoint_id}})
        metadata = json.dumps({"run_id": str(held.run.run_id)})
        new = ["base", "own"] if base == checkpoint_id else ["own"]
        blobs = (new, [checkpoint_id] * len(new), ["bytes"] * len(new), [b"b"] * len(new))
        place = (self._thread_column(held), "", checkpoint_id, None)
        row = await self._db.fetchval(CHECKPOINT["put_checkpoint"], *self._fence(held), *place, body, metadata, *blobs)
        assert row == (run is not None)

    async def put_write(self, choice: int, position: int) -> None:
        """An executor writes to the thread's newest checkpoint, which may be another run's."""
        if not self._held:
            return
        held = self._old(choice)
        kept = self.model.checkpoints.get(self._checkpoint_thread(held))
        if kept is None or not kept.made:
            return
        run, value = self.model.held(held.number, held.run.claim), str(self.model.now)
        place = (self._thread_column(held), "", kept.made[-1][0], "task", "")
        if run is not None:
            kept.write(position, held.number, value)
        row = await self._db.fetchval(
            CHECKPOINT["put_writes"], *self._fence(held), *place, [position], ["c"], ["bytes"], [value.encode()]
        )
        assert row == (run is not None)

    async def log(self, choice: int, count: int) -> None:
        """An executor logs events."""
        if not self._held:
            return
        held = self._old(choice)
        first, last = held.seq + 1, held.seq + count
        if (run := self.model.held(held.number, held.run.claim)) is not None:
            run.events[held.run.claim, first] = last
        row = (DEFAULT_TENANT, held.run.run_id, held.run.claim, first, last, b"e" * count)
        await self._db.execute(outbox.SQL["log_events"], *[[column] for column in row])
        held.seq = last

    async def executor_dies(self, choice: int, executor: int, *, use_up: bool) -> None:
        """The supervisor gives back what one of its executors held."""
        number = self._worker(choice)
        for run in list(self.model.runs.values()):
            if run.status == "running" and run.worker == number and run.executor == executor:
                self.model.release(run.number, run.claim, use_up=use_up)
        if executor == _OF_UPDATES:
            self._give_back_updates(number)
        released = await self._workers[number].release(executor, use_up=use_up)
        await self.wakes.wake([run.graph_id for run in released if run.graph_id is not None])

    async def end_overdue(self, choice: int) -> None:
        """An executor was killed for a run whose time was up."""
        running = [run for run in self.model.runs.values() if run.status == "running" and run.worker in self._workers]
        if not running:
            return
        run = running[choice % len(running)]
        worker = self._workers[run.worker or 0]
        if run.cancel is None:
            self.model.finish(run.number, run.claim, "timeout", None, None)
        await self._end_overdue(worker, run)

    async def _end_overdue(self, worker: Registration, run: Run) -> None:
        await worker.end_overdue(RunKey(DEFAULT_TENANT, run_id(run.number)), "too long")
        # Whom the next run's worker is woken by is the release that follows.
        self.wakes.graphs.append(GRAPH)

    async def drain(self, choice: int) -> None:
        """A worker gives everything back and goes."""
        number = self._worker(choice)
        for run in list(self.model.runs.values()):
            if run.status == "running" and run.worker == number:
                self.model.release(run.number, run.claim, use_up=False)
        self._give_back_updates(number)
        self.model.workers.pop(number, None)
        released = await self._workers[number].release(None, use_up=False)
        await self._workers[number].leave()
        await self.wakes.wake([run.graph_id for run in released if run.graph_id is not None])

    async def sweep(self) -> None:
        """The clockwork turns."""
        self.model.reap()
        self.model.tend_updates()
        await self._clockwork.reap()
        await self._clockwork.tend_questions()

    async def advance(self, minutes: int) -> None:
        self.model.now += minutes * MINUTE
        await self._db.execute(SHIFT, minutes)

    async def ask_update(self, thread: str) -> None:
        number = next(self._numbers)
        expected = self.model.ask_update(number, thread)
        row = await self._db.fetchrow(
            QUESTIONS["ask_update"], run_id(number), DEFAULT_TENANT, thread, b"", timedelta(minutes=4)
        )
        assert (row["found"] and row["served"] and not row["busy"]) == expected

    async def claim_update(self, choice: int) -> None:
        number = self._worker(choice)
        expected = self.model.claim_update(number)
        worker_id = self._workers[number].worker_id
        row = await self._db.fetchrow(STATE["claim_state_request"], worker_id, _OF_UPDATES, [GRAPH])
        assert (row and row["request_id"]) == (expected and run_id(expected.number))
        if expected is not None:
            self._updates.append((expected.number, expected.claim))

    async def end_update(self, choice: int) -> None:
        if not self._updates:
            return
        number, claim = self._updates[choice % len(self._updates)]
        expected = self.model.end_update(number, claim)
        row = await self._db.fetchrow(UPDATES["end_update"], run_id(number), claim, b"", None, None)
        assert row["held"] == expected
        if row["promoted_graph_id"] is not None:
            await self.wakes.wake([row["promoted_graph_id"]])

    # Comparison

    async def check(self, ready_before: set[int]) -> None:
        """The tables are the model's, and whoever has become claimable was told of."""
        await self._hints.__aexit__()
        self.model.now += 1
        real, told = json.loads(await self._db.fetchval(PICTURE)), self._picture()
        for name in told:
            assert real[name] == told[name], f"{name} are {real[name]}, and the model has {told[name]}"
        for thread in self.model.threads:
            self._check_queue(self.model.of_thread(thread))
        new = {run.number for run in self.model.runs.values() if run.ready and run.due <= self.model.now} - ready_before
        assert not new or self.wakes.graphs, f"nobody was woken for {new}"
        assert all(count == 1 for count in self.model.owed.values())
        self.wakes.graphs.clear()

    def _check_queue(self, active: list[Run]) -> None:
        """I2, and: one run at most is ready, and nothing is before it."""
        running = [run for run in active if run.status == "running"]
        ready = [run for run in active if run.ready]
        assert len(running) + len(ready) <= 1
        assert all(run is active[0] or run.claim > 0 for run in ready)

    @property
    def claims(self) -> int:
        """How many there have been."""
        return len(self._held)

    @property
    def ready(self) -> set[int]:
        """The runs that could be claimed."""
        return {run.number for run in self.model.runs.values() if run.ready and run.due <= self.model.now}

    def _picture(self) -> dict[str, Any]:
        model = self.model
        runs = sorted(model.runs.values(), key=lambda run: run.number)
        worker_ids = {number: str(worker.worker_id) for number, worker in self._workers.items()}
        threads = sorted(model.threads.items())
        checkpoints = sorted((each[0], name, str(run_id(each[1]))) for name, kept in self._kept() for each in kept.made)
        found: dict[str, list[Any]] = {
            "runs": [
                [
                    *(str(run_id(run.number)), run.thread, run.status, run.ready, run.claim, run.attempts),
                    *(worker_ids.get(run.worker or 0), run.executor, run.cancel, not run.is_active),
                ]
                for run in runs
            ],
            "threads": [[name, t.status, t.values, GRAPH if t.has_graph else None] for name, t in threads],
            "workers": sorted([worker_ids[number], worker.draining] for number, worker in model.workers.items()),
            "updates": [[str(run_id(n)), u.thread, u.status, u.claim] for n, u in sorted(model.updates.items())],
            "events": [
                [str(run_id(run.number)), claim, first, last]
                for run in runs
                for (claim, first), last in sorted(run.events.items())
            ],
            "checkpoints": [[name, checkpoint_id, run] for checkpoint_id, name, run in checkpoints],
            "blobs": sorted([name, *blob] for name, kept in self._kept() for blob in kept.blobs),
            "writes": sorted(
                [name, place[0], place[1], str(run_id(now[0])), now[1]]
                for name, kept in self._kept()
                for place, (now, _) in kept.writes.items()
            ),
            "webhooks": [[str(run_id(n)), status, undone] for n, status, undone in sorted(model.webhooks)],
        }
        picture: dict[str, Any] = {name: rows or None for name, rows in found.items()}
        return picture

    def _kept(self) -> list[tuple[str, Any]]:
        return [(self._column(name), kept) for name, kept in self.model.checkpoints.items()]

    # Choices

    def _worker(self, choice: int) -> int:
        numbers = list(self._workers)
        return numbers[-1 - choice % len(numbers)]

    def _run(self, choice: int) -> int:
        """A run that was made, perhaps long ago; or none."""
        made = sorted(self.model.runs)
        return made[-1 - choice % len(made)] if made else 0

    def _old(self, choice: int) -> Held:
        """A claim, the newest ones first."""
        return self._held[-1 - choice % len(self._held)]

    def _claims(self, worker: int, executor: int) -> Claims:
        return Claims(self._db, self._workers[worker].worker_id, executor, timedelta(minutes=2), MAX_ATTEMPTS)

    def _claims_of(self, held: Held) -> Claims:
        return self._claims(next(iter(self._workers)), 0)

    def _fence(self, held: Held) -> tuple[str, UUID, int]:
        return DEFAULT_TENANT, held.run.run_id, held.run.claim

    def _checkpoint_thread(self, held: Held) -> str:
        return held.run.thread_id or f"run {held.number}"

    def _thread_column(self, held: Held) -> str:
        return held.run.thread_keys.stored(held.run.checkpoint_thread)

    def _column(self, name: str) -> str:
        return f"{run_id(int(name[4:]))}#" if name.startswith("run ") else name

    def _give_back_updates(self, worker: int) -> None:
        for update in self.model.updates.values():
            if update.status == "running" and update.worker == worker:
                update.status, update.worker = "pending", None
