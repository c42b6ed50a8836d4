"""The worker's row: its heartbeat is the lease of all runs that it holds."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from runwire.core.ids import RunKey, new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.core.sql import load

SQL = load(__file__)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A run that should have stopped: a cancel was asked for, or its time is up."""

    run: RunKey
    executor: int
    cancel: bool


@dataclass(frozen=True, slots=True)
class Released:
    """What was done with the run of an executor that is gone."""

    run: RunKey
    graph_id: str | None


class Registration:
    """One life of a worker: a new one gets a new id."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self.worker_id = new_uuid()
        self._pool = pool
        self._settings = settings

    async def enter(self, graph_ids: Sequence[str], executors: int) -> None:
        """Makes the worker known."""
        slots = self._settings.slots * executors
        await self._pool.execute(
            SQL["register_worker"],
            self.worker_id,
            socket.gethostname(),
            version("runwire"),
            list(graph_ids),
            slots,
            self._settings.lease,
        )

    async def beat(self, *, draining: bool = False) -> list[Overdue] | None:
        """Renews the lease, and tells which runs should have stopped. None: the worker was declared dead."""
        rows = await self._pool.fetch(SQL["beat"], self.worker_id, draining)
        if not rows:
            return None
        return [
            Overdue(RunKey(r["tenant"], r["run_id"]), r["executor"], r["cancel"])
            for r in rows
            if r["run_id"] is not None
        ]

    async def end_overdue(self, run: RunKey, message: str) -> None:
        """Ends a run whose process was killed for it, with what it was killed for."""
        await self._pool.execute(SQL["end_overdue_run"], self.worker_id, run.tenant, run.run_id, message)

    async def holders(self) -> list[int]:
        """The numbers of the executors that hold a run or a state request."""
        return [row["executor"] for row in await self._pool.fetch(SQL["holders"], self.worker_id)]

    async def release(self, executor: int | None, *, use_up: bool) -> list[Released]:
        """Gives back what an executor that is gone held; without a number, what any held. Returns the runs."""
        await self._pool.execute(SQL["release_state_requests"], self.worker_id, executor)
        rows = await self._pool.fetch(SQL["release_runs"], self.worker_id, executor, use_up)
        return [Released(RunKey(row["tenant"], row["run_id"]), row["graph_id"]) for row in rows]

    async def leave(self) -> None:
        """Takes the worker's row away."""
        await self._pool.execute(SQL["unregister_worker"], self.worker_id)
