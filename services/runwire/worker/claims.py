"""Claims: taking runs out of the queue, ending them, giving them back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool
from runwire.core.sql import load
from runwire.worker.fence import Fence

SQL = load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """A run that this executor holds, with all that it needs to begin."""

    run_id: UUID
    tenant: str
    thread_id: str | None
    assistant_id: str
    graph_id: str
    claim: int
    attempts: int
    event_log: bool
    metadata: str
    timeout: timedelta
    request: CreateRunRequest

    @property
    def fence(self) -> Fence:
        """What its writes carry."""
        return Fence(self.run_id, self.claim, self.tenant)

    @property
    def key(self) -> RunKey:
        """What tells it from all others."""
        return RunKey(self.tenant, self.run_id)

    @property
    def checkpoint_thread(self) -> str:
        """The thread that its code reads and writes; a run without a thread has one of its own."""
        return self.thread_id or str(self.run_id)

    @property
    def thread_keys(self) -> ThreadKeys:
        """How that thread is stored."""
        return ThreadKeys(self.tenant, None if self.thread_id else str(self.run_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ends. Texts are JSON; `values` are the thread's where they differ from the output."""

    status: str
    output: str | None = None
    values: str | None = None
    interrupts: str | None = None
    error_type: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvents:
    """A batch for the event log: the numbers of its first and last event, and StreamRunResponse bytes."""

    first_seq: int
    last_seq: int
    events: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of ending a run: 'finished', 'rolled_back', 'stale' or 'cancel_requested', and whom to wake."""

    outcome: str
    promoted_graph_id: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """What one claim has brought, and whether there may be more to have at once."""

    runs: Sequence[ClaimedRun] = ()
    more: bool = False


class Claims:
    """The statements of one executor's claims."""

    def __init__(
        self, pool: Pool, worker_id: UUID, executor: int, default_timeout: timedelta, max_attempts: int
    ) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._executor = executor
        self._default_timeout = default_timeout
        self._max_attempts = max_attempts

    async def claim(self, graph_ids: Sequence[str], limit: int) -> Taken:
        """Takes up to `limit` ready runs of these graphs: in turn between tenants, of each the longest due first."""
        rows = await self._pool.fetch(
            SQL["claim_runs"],
            self._worker_id,
            self._executor,
            graph_ids,
            limit,
            self._default_timeout,
            self._max_attempts,
        )
        return Taken([_claimed(row) for row in rows if row["run_id"] is not None], rows[0]["more"])

    async def release_strays(self, known: Collection[ClaimedRun]) -> list[str]:
        """Gives back runs that were claimed without our hearing of it. Returns the graphs to wake a worker for."""
        claims = [run.tenant for run in known], [run.run_id for run in known], [run.claim for run in known]
        rows = await self._pool.fetch(SQL["release_strays"], self._worker_id, self._executor, *claims)
        return [row["graph_id"] for row in rows if row["graph_id"] is not None]

    async def goes_on(self, run: ClaimedRun) -> bool:
        """Whether a run is still held here and nobody has asked for its end."""
        held: bool = await self._pool.fetchval(
            SQL["goes_on"], run.tenant, run.run_id, run.claim, self._worker_id, self._executor
        )
        return held

    async def finish(self, run: ClaimedRun, ending: Ending, last: LoggedEvents | None) -> Finished:
        """Ends a run with its last events, in one statement."""
        batch = (last.first_seq, last.last_seq, last.events) if last else (None, None, None)
        row = await self._pool.fetchrow(
            SQL["finish_run"],
            run.run_id,
            run.claim,
            run.tenant,
            run.thread_id,
            ending.status,
            ending.output,
            ending.values,
            ending.interrupts,
            ending.error_type,
            ending.error_message,
            *batch,
        )
        return Finished(*row)

    async def release(self, run: ClaimedRun, *, use_up: bool, delay: timedelta = timedelta(0)) -> str | None:
        """Puts a run back at the head of its queue. Returns the graph to wake a worker for."""
        graph_id: str | None = await self._pool.fetchval(
            SQL["release_run"], run.tenant, run.run_id, run.claim, use_up, delay
        )
        return graph_id


def _claimed(row: Any) -> ClaimedRun:
    fields = dict(row)
    del fields["more"]
    return ClaimedRun(request=CreateRunRequest.FromString(fields.pop("request")), **fields)
