"""An executor: claims runs while it has free slots, and sees each to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from uuid import UUID

from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from runwire.core.bus import Bus
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool, is_transient
from runwire.core.settings import Settings
from runwire.worker.claims import ClaimedRun, Claims, Ending, Finished, LoggedEvents, Taken
from runwire.worker.execute import Attempt, Retry
from runwire.worker.fence import StaleClaim
from runwire.worker.graphs import Graphs
from runwire.worker.outbox import Outbox
from runwire.worker.store import item_ttl
from runwire.worker.strays import Strays
from runwire.worker.threads import RunThreads

_log = logging.getLogger(__name__)

Stop: TypeAlias = Literal["cancel", "timeout", "drain"]

_CLAIM_AGAIN_SECONDS = 0.02
_CANCELLED_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class Held:
    """A run in a slot, and the reason why it has to stop, once there is one."""

    run: ClaimedRun
    stop: asyncio.Future[Stop]

    def ask(self, reason: Stop) -> None:
        """Asks the run to stop; the first reason stays."""
        if not self.stop.done():
            self.stop.set_result(reason)


class Executor:
    """The run lane of one process."""

    def __init__(
        self,
        settings: Settings,
        worker_id: UUID,
        number: int,
        graphs: Graphs,
        pool: Pool,
        bus: Bus,
        outbox: Outbox,
    ) -> None:
        self._settings = settings
        self._graphs = graphs
        self._pool = pool
        self._bus = bus
        self._outbox = outbox
        self._claims = Claims(pool, worker_id, number, settings.run_timeout, settings.max_attempts)
        self._held: set[Held] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slot_freed = asyncio.Event()
        self._strays = Strays(settings.lease)
        self._draining = asyncio.Event()
        self._item_ttl = item_ttl(settings)
        self._threads = RunThreads(max(32, settings.slots * 2))

    async def run(self) -> None:
        """Claims and executes until `drain` has been called and has done its work."""
        self._threads.install(asyncio.get_running_loop())
        waiter = self._bus.waiter()
        try:
            while not self._draining.is_set():
                await self._claim_and_wait(waiter.pop)
        finally:
            await waiter.aclose()
        await self._drained()

    def cancel(self, run: RunKey) -> None:
        """Stops a run if it is here and is to end."""
        for held in self._holding(run):
            self._start(self._heed_cancel(held), f"cancel-{run}")

    def drain(self) -> None:
        """Claims no more; runs get `drain_timeout` to end by themselves, the rest is handed back."""
        self._draining.set()
        self._slot_freed.set()

    async def _claim_and_wait(self, pop: Any) -> None:
        free = self._settings.slots - len(self._held)
        if free <= 0:
            await self._wait_for_slot()
            return
        taken = await self._claim(free)
        if len(taken.runs) < free:
            lists = [self._bus.keys.wake(graph_id) for graph_id in self._graphs.ids]
            patience = _CLAIM_AGAIN_SECONDS if taken.more else self._settings.poll_interval.total_seconds()
            await self._first_of(pop(lists, patience), self._draining.wait())

    async def _wait_for_slot(self) -> None:
        self._slot_freed.clear()
        try:
            async with asyncio.timeout_at(self._strays.until):
                await self._slot_freed.wait()
        except TimeoutError:
            # What may be held unknown must not wait until a slot is free here.
            await self._claim(0)

    async def _first_of(self, *waits: Coroutine[Any, Any, Any]) -> None:
        tasks = [asyncio.create_task(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _claim(self, limit: int) -> Taken:
        try:
            await self._strays.give_back(self._release_strays)
            taken = await self._claims.claim(self._graphs.ids, limit) if limit else Taken()
        except Exception as error:
            if not is_transient(error):
                raise
            self._strays.expect()
            _log.warning("no claim", extra={"action": "claim_failed", "error": str(error)})
            await asyncio.sleep(0.2)
            return Taken()
        if taken.runs:
            await self._begin(taken.runs)
        return taken

    async def _release_strays(self) -> None:
        await self._bus.wake(await self._claims.release_strays([held.run for held in self._held]))

    async def _begin(self, claimed: Sequence[ClaimedRun]) -> None:
        loop = asyncio.get_running_loop()
        for run in claimed:
            # Its row was deleted, or this one could not have been claimed.
            for orphan in self._holding(run.key):
                orphan.ask("cancel")
        begun = [Held(run, loop.create_future()) for run in claimed]
        self._held.update(begun)
        counted = await self._bus.begin_attempts([run.key for run in claimed])
        for held, (attempts, cancel) in zip(begun, counted, strict=True):
            self._start(self._see_to_its_end(held, attempts, cancel), f"run-{held.run.run_id}")

    def _holding(self, run: RunKey) -> list[Held]:
        return [held for held in self._held if held.run.key == run]

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heed_cancel(self, held: Held) -> None:
        """What Redis tells may be of long ago. With Postgres away, a heartbeat tells it again."""
        try:
            goes_on = await self._claims.goes_on(held.run)
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            if not goes_on:
                held.ask("cancel")

    async def _see_to_its_end(self, held: Held, counted: int, cancel: bytes | None) -> None:
        try:
            if cancel is not None:
                await self._heed_cancel(held)
            await self._attempt(held, counted)
        except StaleClaim:
            _log.warning("claim lost", extra={"action": "claim_lost", "run_id": str(held.run.run_id)})
            # Where the run is gone, nobody else forgets it.
            await self._bus.forget_run(held.run.key)
        except Exception:
            _log.exception("attempt broke", extra={"action": "attempt_broke", "run_id": str(held.run.run_id)})
            await self._release(held.run, use_up=True)
        finally:
            self._held.discard(held)
            self._slot_freed.set()

    async def _attempt(self, held: Held, counted: int) -> None:
        run = held.run
        attempt = Attempt(run, self._graphs, self._pool, self._outbox, self._item_ttl)
        limit = self._settings.max_attempts
        # The larger figure counts: Redis may have been flushed. Above the number of claims it is wrong: a count whose
        # answer was lost was made again.
        if max(min(counted, run.claim), run.attempts) > limit:
            text = f"The run was begun {limit} times and its worker died or lost Postgres each time."
            await self._finish(attempt, attempt.failed("AttemptsExhausted", text))
            return
        self._outbox.tell_thread(attempt.events.box, run.tenant, run.thread_id)
        graph = asyncio.create_task(attempt.execute(), name=f"graph-{run.run_id}")
        ends: list[asyncio.Future[Any]] = [graph, held.stop]
        await asyncio.wait(ends, timeout=run.timeout.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
        if graph.done():
            await self._conclude(held, attempt, graph)
        else:
            held.ask("timeout")
            await self._stop(graph, run.key)
            await self._stopped(held, attempt, graph)

    async def _stop(self, graph: asyncio.Task[Ending], run: RunKey) -> None:
        """Cancels, and waits until no code of the run is left.

        Code that refuses is ended with its process, by the supervisor.
        """
        # Once only: LangGraph waits for its nodes then, and would leave them alone if it were cancelled again.
        graph.cancel()
        await asyncio.wait([graph])
        await self._threads.ended(run)

    async def _conclude(self, held: Held, attempt: Attempt, graph: asyncio.Task[Ending]) -> None:
        """The graph has ended by itself, one way or another."""
        try:
            ending = graph.result()
        except asyncio.CancelledError:
            ending = attempt.failed("CancelledError", "The graph's own code cancelled it.")
        except Retry as error:
            await self._retry(attempt, error)
            return
        if ending.status == "error":
            # LangGraph cancels what goes on beside a node that raised, which stops no thread. Where the graph came to
            # its end or to a pause, it has waited for its nodes, and what else its code has started is its own affair.
            await self._threads.ended(attempt.run.key)
        await self._finish(attempt, ending)

    async def _stopped(self, held: Held, attempt: Attempt, graph: asyncio.Task[Ending]) -> None:
        """The graph was made to stop."""
        if not graph.cancelled() and isinstance(graph.exception(), StaleClaim):
            raise StaleClaim(held.run.fence)
        match held.stop.result():
            case "cancel":
                await self._finish(attempt, attempt.cancelled())
            case "timeout":
                text = f"The run reached its time limit of {held.run.timeout.total_seconds():g} seconds."
                await self._finish(attempt, attempt.failed("RunTimeout", text, status="timeout"))
            case "drain":
                await self._release(held.run, use_up=False)

    async def _finish(self, attempt: Attempt, ending: Ending) -> None:
        run, box = attempt.run, attempt.events.box
        pending = await self._outbox.take_unlogged(box)
        finished, last_event = await self._write_ending(attempt, ending, pending)
        if finished.outcome == "cancel_requested":
            await self._threads.ended(run.key)
            finished, last_event = await self._write_ending(attempt, attempt.cancelled(), pending)
        if finished.outcome == "stale":
            # It may be that an ending was written whose answer was lost: readers are told to look.
            self._outbox.publish_only(box, b"")
            raise StaleClaim(run.fence)
        self._outbox.tell_thread(box, run.tenant, run.thread_id)
        self._outbox.publish_only(box, last_event)
        await self._bus.forget_run(run.key)
        if finished.promoted_graph_id is not None:
            await self._bus.wake([finished.promoted_graph_id])

    async def _write_ending(
        self, attempt: Attempt, ending: Ending, pending: LoggedEvents | None
    ) -> tuple[Finished, bytes]:
        seq, last_event = attempt.events.closing(ending)
        batch = None
        if attempt.run.event_log:
            first = pending.first_seq if pending else seq
            batch = LoggedEvents(first, seq, (pending.events if pending else b"") + last_event)
        finished: Finished = await _persistently()(self._claims.finish, attempt.run, ending, batch)
        if finished.outcome == "rolled_back":
            _, last_event = attempt.events.closing(attempt.cancelled(), rolled_back=True)
        return finished, last_event

    async def _retry(self, attempt: Attempt, error: Retry) -> None:
        run = attempt.run
        _log.warning(
            "attempt failed",
            extra={"action": "attempt_failed", "run_id": str(run.run_id), "error": str(error)},
        )
        delay: timedelta = self._settings.retry_delay * 2 ** (run.attempts - 1)
        await self._release(run, use_up=True, delay=delay)

    async def _release(self, run: ClaimedRun, *, use_up: bool, delay: timedelta = timedelta(0)) -> None:
        # Another worker may begin it at once; this one's code must not go on beside that.
        await self._threads.ended(run.key)
        graph_id: str | None = await _persistently()(self._claims.release, run, use_up=use_up, delay=delay)
        if not use_up:
            await self._bus.give_back_attempt(run.key)
        if graph_id is not None and not delay:
            await self._bus.wake([graph_id])

    async def _drained(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_timeout.total_seconds())
        for held in self._held:
            held.ask("drain")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._settings.cancel_grace.total_seconds())
        # What could not be handed back is the supervisor's to hand back, or the clockwork's when the lease has run out.
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_CANCELLED_SECONDS)


def _persistently() -> AsyncRetrying:
    """Until it works: an outcome is only given up when the lease runs out and this process is ended."""
    return AsyncRetrying(
        retry=retry_if_exception(is_transient),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    )
