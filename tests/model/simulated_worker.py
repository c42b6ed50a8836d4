"""A worker's attempt at a run: the product's events and outbox; its end is the executor's, step by step."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.stream.v1.stream_pb2 import Custom
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.settings import Settings
from runwire.worker.claims import ClaimedRun, Ending, LoggedEvents
from runwire.worker.events import RunEvents
from runwire.worker.outbox import Outbox, RunOutbox
from tests.model.simulated_postgres import RunRow, SimulatedPostgres
from tests.model.simulated_redis import SimulatedBus

Emitted = dict[tuple[int, int], bytes]
"""Every event of a run as it was made, by claim and number."""

_REQUEST = CreateRunRequest()


class RecordingOutbox(Outbox):
    """Keeps every event."""

    def __init__(self, pool: Any, bus: Any, settings: Settings, emitted: Emitted) -> None:
        super().__init__(pool, bus, settings)
        self._emitted = emitted
        self.seq = 0

    def add(self, run: RunOutbox, event: bytes) -> None:
        self.seq += 1
        self._emitted[run.fence.claim, self.seq] = event
        super().add(run, event)

    def kill(self) -> None:
        """As SIGKILL: what is on its way arrives or does not, and nothing else is sent."""
        for task in self._tasks:
            task.cancel()


@dataclass(slots=True)
class Script:
    """What an attempt does: pauses in seconds before each of its events, and how it means to end."""

    pauses: list[float]
    status: str
    tail: int
    """Events at the end without a pause between them."""


class Worker:
    """One claim of a run."""

    def __init__(
        self,
        postgres: SimulatedPostgres,
        bus: SimulatedBus,
        settings: Settings,
        run: RunRow,
        claim: int,
        emitted: Emitted,
    ) -> None:
        self._postgres = postgres
        self._bus = bus
        self._run = run
        self._claim = claim
        self._emitted = emitted
        self._outbox = RecordingOutbox(postgres, bus, settings, emitted)
        claimed = ClaimedRun(
            run_id=run.run_id,
            tenant="default",
            thread_id=run.thread_id,
            assistant_id="a",
            graph_id="g",
            claim=claim,
            attempts=claim,
            event_log=run.event_log,
            metadata="{}",
            timeout=timedelta(hours=1),
            request=_REQUEST,
        )
        self._events = RunEvents(claimed, self._outbox)
        self._task: asyncio.Task[None] | None = None
        self._cancelled = asyncio.Event()

    def begin(self, script: Script) -> asyncio.Task[None]:
        """Executes."""
        self._task = asyncio.create_task(self._work(script), name=f"worker-{self._claim}")
        return self._task

    def kill(self) -> None:
        """As SIGKILL."""
        self._outbox.kill()
        if self._task is not None:
            self._task.cancel()

    def cancel(self) -> None:
        """The run is asked to stop."""
        self._cancelled.set()

    async def _work(self, script: Script) -> None:
        async with self._outbox:
            self._outbox.tell_thread(self._events.box, "default", self._run.thread_id)
            self._events.started()
            status = script.status
            for pause in [*script.pauses, *[0.0] * script.tail]:
                if pause:
                    await self._pause(pause)
                if self._cancelled.is_set():
                    status = "cancelled"
                    break
                self._events.emit("custom", Custom(data=Json(text="1" * (1 + self._outbox.seq * 37 % 90))))
            await self._finish(Ending(status=status, error_type="Oops" if status in ("error", "timeout") else None))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._cancelled.wait()
        except TimeoutError:
            pass

    async def _finish(self, ending: Ending) -> None:
        box = self._events.box
        pending = await self._outbox.take_unlogged(box)
        outcome, last_event = await self._write_ending(ending, pending)
        if outcome == "cancel_requested":
            outcome, last_event = await self._write_ending(Ending(status="cancelled"), pending)
        if outcome == "stale":
            self._outbox.publish_only(box, b"")
            return
        self._outbox.tell_thread(box, "default", self._run.thread_id)
        self._outbox.publish_only(box, last_event)

    async def _write_ending(self, ending: Ending, pending: LoggedEvents | None) -> tuple[str, bytes]:
        seq, last_event = self._events.closing(ending)
        batch = None
        if self._run.event_log:
            first = pending.first_seq if pending else seq
            batch = LoggedEvents(first, seq, (pending.events if pending else b"") + last_event)
        outcome = await self._persistently(ending, batch, seq, last_event)
        if outcome == "rolled_back":
            _, last_event = self._events.closing(Ending(status="cancelled"), rolled_back=True)
            self._emitted[self._claim, seq] = last_event
        return outcome, last_event

    async def _persistently(self, ending: Ending, batch: LoggedEvents | None, seq: int, last_event: bytes) -> str:
        arguments = (self._run.run_id, self._claim, ending.status, ending.error_type, batch)
        while True:
            before = self._emitted.get((self._claim, seq))
            self._emitted[self._claim, seq] = last_event
            try:
                outcome: str = await self._postgres.ask("finish", *arguments)
            except ConnectionError:
                await asyncio.sleep(0.05)
                continue
            if outcome in ("stale", "cancel_requested") and before is not last_event:
                del self._emitted[self._claim, seq]
            return outcome


def script(rng: random.Random, length: int) -> Script:
    """A random one of about `length` events."""
    pauses = [rng.choice([0.0, 0.0, 0.002, 0.05, rng.random() * 0.4]) for _ in range(length)]
    if rng.random() < 0.1 and pauses:
        pauses[rng.randrange(len(pauses))] = rng.uniform(1, 6)
    status = rng.choice(["success", "success", "success", "interrupted", "error", "timeout"])
    return Script(pauses, status, rng.choice([0, 0, 2, 5]))
