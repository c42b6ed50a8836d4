"""The supervisor: keeps the worker's lease and its executors' lives. It runs no user code, so nothing holds it up."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from runwire.core.bus import Bus
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool, is_transient, persistently, retrying
from runwire.core.repeating import repeating
from runwire.core.settings import Settings
from runwire.worker.link import LINK_VARIABLE, SupervisorEnd
from runwire.worker.registration import Overdue, Registration, Released

_log = logging.getLogger(__name__)

_START_SECONDS = 120.0
_RENEW_BEFORE = 0.7
_RESPAWN_SECONDS = 0.5
_HAND_BACK_SECONDS = 2.0


class WorkerError(Exception):
    """The worker can't start; the text says why."""


class ExecutorEnded(WorkerError):
    """An executor ended before it was ready; its log says why."""


class LeaseLost(Exception):
    """The worker could not renew its lease in time, or was declared dead."""


@dataclass(slots=True, eq=False)
class ExecutorProcess:
    """One executor and what the supervisor knows of it."""

    number: int
    process: asyncio.subprocess.Process
    link: SupervisorEnd
    graph_ids: list[str] = field(default_factory=list)
    answered: float = field(default_factory=time.monotonic)
    # Attempts of runs in it count when it died by itself, not when it was killed for one of them.
    killed_for: Overdue | None = None

    def kill(self) -> None:
        """Ends it at once."""
        with suppress(ProcessLookupError):
            self.process.kill()


class Supervisor:
    """A worker. Whenever its lease is lost it begins a new life under a new id, with new executors."""

    def __init__(self, settings: Settings, pool: Pool, bus: Bus) -> None:
        self._settings = settings
        self._pool = pool
        self._bus = bus
        self._executors: dict[int, ExecutorProcess] = {}
        self._replacing: set[asyncio.Task[None]] = set()
        self._giving_back: set[int] = set()
        self._numbers = iter(range(1, sys.maxsize))
        self._registered = False
        self._has_lived = False
        self._draining = False

    async def is_ready(self) -> bool:
        """Whether it is registered and has executors."""
        return self._registered and bool(self._executors)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then drains. Raises WorkerError when the graphs can't be loaded.

        What keeps its first life from beginning ends it, for whoever started it to see. A later one is tried again:
        the lease is lost when Postgres is away, and then it is often away still.
        """
        while not stop.is_set():
            try:
                await self._live(stop)
            except* LeaseLost as lost:
                _log.warning("lease lost", extra={"action": "lease_lost", "error": str(lost.exceptions[0])})
            except* Exception as failures:
                if not self._has_lived or not all(map(_is_passing, failures.exceptions)):
                    raise
                error = failures.exceptions[0]
                _log.warning(
                    "no new life yet", extra={"action": "life_failed", "error": f"{type(error).__name__} {error}"}
                )
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RESPAWN_SECONDS):
                        await stop.wait()

    async def _live(self, stop: asyncio.Event) -> None:
        life = Registration(self._pool, self._settings)
        try:
            async with asyncio.TaskGroup() as group:
                stopped = group.create_task(stop.wait())
                started = group.create_task(self._start_executors(life, group))
                await asyncio.wait([stopped, started], return_when=asyncio.FIRST_COMPLETED)
                if not started.done():
                    started.cancel()
                    return
                beats = group.create_task(self._keep_lease(life))
                control = group.create_task(self._pass_on_cancels(life.worker_id))
                lease = self._settings.lease
                async with repeating(lease, (lease, partial(self._give_back_late_claims, life))):
                    await stopped
                control.cancel()
                await self._drain(life, beats)
        finally:
            self._registered = False
            await self._end_executors()

    async def _start_executors(self, life: Registration, group: asyncio.TaskGroup) -> None:
        count = self._settings.executors
        spawned = await asyncio.gather(*(self._spawn(publishes=index == 0) for index in range(count)))
        await life.enter(spawned[0].graph_ids, count)
        self._registered = self._has_lived = True
        for executor in spawned:
            executor.link.send("start", worker_id=str(life.worker_id))
            group.create_task(self._watch(executor, life, group))
        _log.info("registered", extra={"action": "registered", "worker_id": str(life.worker_id)})

    async def _spawn(self, *, publishes: bool) -> ExecutorProcess:
        link, theirs = await SupervisorEnd.pair()
        number = next(self._numbers)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "runwire.worker.executor_process",
                str(number),
                *(["--publish"] if publishes else []),
                pass_fds=[theirs.fileno()],
                env={**os.environ, **self._settings.variables(), LINK_VARIABLE: str(theirs.fileno())},
            )
        executor = ExecutorProcess(number, process, link)
        self._executors[number] = executor
        async with AsyncExitStack() as unless_ready:
            unless_ready.push_async_callback(self._end, executor)
            async with asyncio.timeout(_START_SECONDS):
                message = await link.receive()
            if message is None:
                raise ExecutorEnded("An executor ended before it was ready; see its log.")
            if message["kind"] != "ready":
                raise WorkerError(message["reason"])
            unless_ready.pop_all()
        executor.graph_ids = message["graph_ids"]
        executor.answered = time.monotonic()
        return executor

    async def _end(self, executor: ExecutorProcess) -> None:
        self._executors.pop(executor.number, None)
        executor.kill()
        await executor.process.wait()
        executor.link.close()

    async def _watch(self, executor: ExecutorProcess, life: Registration, group: asyncio.TaskGroup) -> None:
        """Hears an executor until it is gone; then gives back what it held and puts another in its place."""
        while await executor.link.receive() is not None:
            executor.answered = time.monotonic()
        await executor.process.wait()
        executor.link.close()
        if self._executors.pop(executor.number, None) is None or self._draining:
            return
        _log.warning("executor gone", extra={"action": "executor_gone", "code": executor.process.returncode})
        self._giving_back.add(executor.number)
        await self._give_back(executor, life)
        self._giving_back.remove(executor.number)
        if not self._draining:
            replacing = group.create_task(self._replace(life, group))
            self._replacing.add(replacing)
            replacing.add_done_callback(self._replacing.discard)

    async def _replace(self, life: Registration, group: asyncio.TaskGroup) -> None:
        another = await self._respawn()
        another.link.send("start", worker_id=str(life.worker_id))
        group.create_task(self._watch(another, life, group))

    async def _respawn(self) -> ExecutorProcess:
        while True:
            await asyncio.sleep(_RESPAWN_SECONDS)
            try:
                return await self._spawn(publishes=False)
            except WorkerError as error:
                _log.error("no new executor", extra={"action": "respawn_failed", "error": str(error)})

    async def _give_back(self, executor: ExecutorProcess, life: Registration) -> None:
        culprit, limit = executor.killed_for, self._settings.lease.total_seconds()
        if culprit is not None and not culprit.cancel:
            text = "The run reached its time limit and did not stop, so its process was killed."
            await retrying(limit)(life.end_overdue, culprit.run, text)
        released: list[Released] = await retrying(limit)(life.release, executor.number, use_up=culprit is None)
        if culprit is not None:
            for given in released:
                await self._bus.give_back_attempt(given.run)
            await self._bus.publish([(self._bus.keys.events(culprit.run), b"")])
        await self._tell(released)

    async def _give_back_late_claims(self, life: Registration) -> bool:
        """A claim that was on its way when its executor died may take effect after all was given back."""
        for number in await life.holders():
            if number not in self._executors and number not in self._giving_back:
                _log.warning("late claim", extra={"action": "late_claim", "executor": number})
                await self._tell(await life.release(number, use_up=False))
        return False

    async def _tell(self, released: list[Released]) -> None:
        await self._bus.publish([(self._bus.keys.events(given.run), b"") for given in released])
        await self._bus.wake({given.graph_id for given in released if given.graph_id is not None})

    async def _keep_lease(self, life: Registration) -> None:
        interval = self._settings.heartbeat_interval.total_seconds()
        limit = self._settings.lease.total_seconds() * _RENEW_BEFORE
        renewed = time.monotonic()
        first_seen: dict[RunKey, float] = {}
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(max(0.05, limit - (began - renewed))):
                    overdue = await life.beat(draining=self._draining)
            except Exception as error:
                if not is_transient(error):
                    raise
                if time.monotonic() - renewed >= limit:
                    raise LeaseLost("Postgres could not be reached in time") from error
                await asyncio.sleep(min(interval, 0.2))
                continue
            if overdue is None:
                raise LeaseLost("the worker was declared dead")
            renewed = began
            self._enforce(overdue, first_seen)
            self._ping()
            await asyncio.sleep(interval)

    def _enforce(self, overdue: list[Overdue], first_seen: dict[RunKey, float]) -> None:
        """Tells executors of runs that should have stopped, and kills those whose code does not listen."""
        now = time.monotonic()
        for gone in first_seen.keys() - {late.run for late in overdue}:
            del first_seen[gone]
        for late in overdue:
            executor = self._executors.get(late.executor)
            if executor is None:
                continue
            if late.cancel:
                executor.link.send("cancel", run=str(late.run))
            if now - first_seen.setdefault(late.run, now) > self._settings.cancel_grace.total_seconds():
                _log.warning("executor killed", extra={"action": "executor_killed", "run": str(late.run)})
                executor.killed_for = executor.killed_for or late
                executor.kill()

    def _ping(self) -> None:
        for executor in self._executors.values():
            executor.link.send("ping")
            if time.monotonic() - executor.answered > self._settings.unresponsive_timeout.total_seconds():
                _log.warning("executor does not answer", extra={"action": "executor_unresponsive"})
                executor.kill()

    async def _pass_on_cancels(self, worker_id: UUID) -> None:
        def on_message(message: bytes | None) -> None:
            if message is None:
                return
            run = message.decode().partition(" ")[0]
            for executor in self._executors.values():
                executor.link.send("cancel", run=run)

        async with (
            self._bus.subscriptions() as subscriptions,
            subscriptions.listen(self._bus.keys.control(worker_id), on_message),
        ):
            await asyncio.Event().wait()

    async def _drain(self, life: Registration, beats: asyncio.Task[None]) -> None:
        self._draining = True
        for task in self._replacing:
            task.cancel()
        with suppress(Exception):
            await life.beat(draining=True)
        executors = dict(self._executors)
        for executor in executors.values():
            executor.link.send("drain")
        limit = self._settings.drain_timeout + self._settings.cancel_grace
        with suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds() + 1):
                await asyncio.gather(*(executor.process.wait() for executor in executors.values()))
        for executor in executors.values():
            executor.kill()
            await executor.process.wait()
        beats.cancel()
        # What can't be given back here is given back by the clockwork when the lease has run out.
        released = await persistently(_HAND_BACK_SECONDS, life.release, None, use_up=False)
        for given in released:
            await self._bus.give_back_attempt(given.run)
        await life.leave()
        await self._bus.wake({given.graph_id for given in released if given.graph_id is not None})

    async def _end_executors(self) -> None:
        for executor in self._executors.values():
            executor.kill()
        for executor in list(self._executors.values()):
            await self._end(executor)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, ExecutorEnded) or is_transient(error)


@asynccontextmanager
async def supervising(supervisor: Supervisor, stop: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a supervisor beside the block, and drains it at the block's end."""
    task = asyncio.create_task(supervisor.run(stop), name="supervisor")
    try:
        yield task
    finally:
        stop.set()
        await task
