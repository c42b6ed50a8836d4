"""Updating a thread's state. All that one update writes, and its end, is a single transaction.

So there is nothing to undo when a later superstep fails, and no need to fence each write: the last statement holds the
thread's lock and finds whether the request is still this worker's; if it is not, nothing was ever written.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from langgraph.errors import InvalidUpdateError
from langgraph.types import StateSnapshot, StateUpdate

from runwire.api.dispatch.v1.thread_state_pb2 import UpdateThreadStateRequest, UpdateThreadStateResponse
from runwire.core import jsons
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool, is_transient
from runwire.core.sql import load
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.checkpoint_pool import Connection, RetryingPool, T, Work
from runwire.worker.chunks import checkpoint_ref
from runwire.worker.events import error_of
from runwire.worker.fence import StorageUnavailable
from runwire.worker.graphs import Compiled, Graphs
from runwire.worker.interrupts import places_in, rows_of
from runwire.worker.store import RunwireStore
from runwire.worker.thread_state_requests import ClaimedRequest, RequestRefused, checkpoint_not_found, reading

SQL = load(__file__)

_REFUSAL_CHARACTERS = 1000


class OneTransaction(RetryingPool):
    """Operations on one connection, one after another, in the transaction that it is in. None is tried again alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def run(self, work: Work[T]) -> T:
        """Does `work` on the connection. Raises StorageUnavailable when the whole transaction may be tried again."""
        try:
            async with self._turn:
                return await work(self._connection)
        except Exception as error:
            if is_transient(error):
                raise StorageUnavailable(str(error)) from error
            raise


class StaleRequest(Exception):
    """The request was taken over or removed; nothing was written."""


class Update:
    """One update, from its claim to its end."""

    def __init__(self, claimed: ClaimedRequest, graphs: Graphs, pool: Pool, store: RunwireStore) -> None:
        self._claimed = claimed
        self._request = UpdateThreadStateRequest.FromString(claimed.request)
        self._graphs = graphs
        self._pool = pool
        self._store = store

    async def make(self) -> str | None:
        """Writes the update and its answer. Returns the graph of the thread's next run.

        Raises RequestRefused, StaleRequest and StorageUnavailable; in each case nothing was written.
        """
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                return await self._make(OneTransaction(connection))
        except Exception as error:
            if is_transient(error):
                raise StorageUnavailable(str(error)) from error
            raise

    async def _make(self, transaction: OneTransaction) -> str | None:
        saver = RunwireSaver(transaction, keys=ThreadKeys(self._claimed.tenant))
        config = self._claimed.config(self._request.checkpoint)
        async with self._graphs.made(self._claimed.graph_id, config, saver, self._store) as graph:
            base = await self._base(graph, config)
            head = await self._write(graph, config)
            snapshot = await graph.aget_state(self._claimed.config(), subgraphs=True)
        return await self._end(transaction, base, head, snapshot)

    async def _base(self, graph: Compiled, config: Any) -> Any:
        ref = self._request.checkpoint
        with reading(self._claimed):
            snapshot = await graph.aget_state(config)
        if (ref.checkpoint_id or ref.checkpoint_ns) and snapshot.created_at is None:
            raise checkpoint_not_found(ref)
        return checkpoint_ref(snapshot.config)

    async def _write(self, graph: Compiled, config: Any) -> Any:
        """The config of the new head. What the graph, or code of the user's in it, raises is a refusal."""
        supersteps = [
            [StateUpdate(orjson.loads(u.values.text) if u.HasField("values") else None, u.as_node or None)]
            for u in self._request.updates
        ]
        try:
            return await graph.abulk_update_state(config, supersteps)
        except StorageUnavailable:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            raise RequestRefused("STATE_UPDATE_REFUSED", _objection(error)) from error

    async def _end(self, transaction: OneTransaction, base: Any, head: Any, snapshot: StateSnapshot) -> str | None:
        claimed = self._claimed
        response = UpdateThreadStateResponse(checkpoint=checkpoint_ref(head)).SerializeToString()
        ended = await transaction.row(SQL["end_update"], claimed.request_id, claimed.claim, response, None, None)
        if ended is None or not ended["held"]:
            raise StaleRequest
        await self._check_base(transaction, base)
        interrupts = rows_of(snapshot.interrupts, places_in(snapshot))
        await transaction.value(
            SQL["store_values"],
            claimed.tenant,
            claimed.thread_id,
            jsons.dumps(snapshot.values),
            jsons.dumps(interrupts),
            bool(snapshot.next),
        )
        promoted: str | None = ended["promoted_graph_id"]
        return promoted

    async def _check_base(self, transaction: OneTransaction, base: Any) -> None:
        """With the thread's lock held: pruning may have taken away what the update builds on."""
        if base is None:
            return
        thread = ThreadKeys(self._claimed.tenant).stored(self._claimed.thread_id)
        if not await transaction.value(SQL["has_checkpoint"], thread, base.checkpoint_ns, base.checkpoint_id):
            raise checkpoint_not_found(base)


def _objection(error: BaseException) -> str:
    kind, text = error_of(error)
    return (text if isinstance(error, InvalidUpdateError) else f"{kind}: {text}")[:_REFUSAL_CHARACTERS]
