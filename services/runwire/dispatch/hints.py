"""What Redis is told once Postgres has decided. The call that decided does not wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from runwire.core import cancels
from runwire.core.bus import Bus
from runwire.core.ids import RunKey

_log = logging.getLogger(__name__)

_SENTINELS_AT_ONCE = 64


class Hints:
    """Owns the tasks that outlive a call. Leaving the block waits for them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._tasks: set[asyncio.Task[Any]] = set()
        self._graphs: Counter[str] = Counter()
        self._of_threads: list[tuple[str, bytes]] = []

    async def __aenter__(self) -> Hints:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Does the work in a task of its own."""
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def wake(self, graph_id: str) -> None:
        """A run of this graph is ready. What piles up while Redis is busy goes out together."""
        idle = not self._graphs
        self._graphs[graph_id] = min(self._graphs[graph_id] + 1, _SENTINELS_AT_ONCE)
        if idle:
            self.later(self._wake_all())

    def wake_for_state(self, graph_id: str) -> None:
        """A thread state request for this graph is there."""
        self.later(self._bus.wake_for_state(graph_id))

    def cancel(self, run: RunKey, worker_id: UUID, action: str) -> None:
        """The run's worker has to stop it."""
        self.later(self._bus.cancel([(run, worker_id, action)]))

    def cancelled(self, tenant: str, rows: Sequence[asyncpg.Record]) -> None:
        """Cancels were decided on; `rows` as in runwire.core.cancels."""
        self.later(cancels.tell(self._bus, tenant, rows))

    def ended(self, *runs: RunKey) -> None:
        """The runs have ended without a worker: an empty message makes their followers look at the rows."""
        self.later(self._bus.publish([(self._bus.keys.events(run), b"") for run in runs]))

    def of_thread(self, tenant: str, thread_id: str | None, run_id: UUID) -> None:
        """A run of the thread was created, or has ended without a worker. What comes at once goes out together."""
        if thread_id is None:
            return
        idle = not self._of_threads
        self._of_threads.append((self._bus.keys.thread(tenant, thread_id), str(run_id).encode()))
        if idle:
            self.later(self._tell_threads())

    async def _tell_threads(self) -> None:
        messages, self._of_threads = self._of_threads, []
        await self._bus.publish(messages)

    async def _wake_all(self) -> None:
        graphs, self._graphs = self._graphs, Counter()
        await self._bus.wake(graphs.elements())


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except Exception as error:
        # Nobody is there to be told, and the clockwork makes up for it.
        _log.warning("a hint was lost", extra={"action": "hint_lost", "error": type(error).__name__})
