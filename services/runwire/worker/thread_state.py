"""The state lane: what needs a graph but is no run, in slots that busy runs do not take."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from uuid import UUID

from runwire.core.bus import Bus
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.ids import RunKey
from runwire.core.postgres import Pool, is_transient, persistently
from runwire.core.settings import Settings
from runwire.core.sql import load
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.fence import StorageUnavailable
from runwire.worker.graphs import Graphs
from runwire.worker.store import RunwireStore, item_ttl
from runwire.worker.strays import Strays
from runwire.worker.thread_state_reads import get_state, list_history
from runwire.worker.thread_state_requests import ClaimedRequest, RequestRefused
from runwire.worker.thread_state_updates import SQL as UPDATES
from runwire.worker.thread_state_updates import StaleRequest, Update

_log = logging.getLogger(__name__)

SQL = load(__file__)

_READS = {"get": get_state, "history": list_history}
_ANSWER_SECONDS = 20.0
_AGAIN_SECONDS = 0.2


class StateLane:
    """Answers thread state requests, a few at a time."""

    def __init__(self, settings: Settings, worker_id: UUID, number: int, graphs: Graphs, pool: Pool, bus: Bus) -> None:
        self._worker_id = worker_id
        self._executor = number
        self._graphs = graphs
        self._pool = pool
        self._bus = bus
        self._item_ttl = item_ttl(settings)
        self._free = asyncio.Semaphore(settings.state_slots)
        self._poll_interval = settings.poll_interval.total_seconds()
        self._held: set[UUID] = set()
        self._strays = Strays(settings.lease)
        self._draining = asyncio.Event()

    async def run(self) -> None:
        """Answers until `drain` is called."""
        waiter = self._bus.waiter()
        lists = [self._bus.keys.wake_state(graph_id) for graph_id in self._graphs.ids]
        try:
            async with asyncio.TaskGroup() as answering:
                stopping = answering.create_task(self._draining.wait())
                while not self._draining.is_set():
                    await self._free.acquire()
                    claimed = await self._claim()
                    if claimed is not None:
                        answering.create_task(self._answer(claimed))
                        continue
                    self._free.release()
                    popping = asyncio.create_task(waiter.pop(lists, self._poll_interval))
                    await asyncio.wait([popping, stopping], return_when=asyncio.FIRST_COMPLETED)
                    popping.cancel()
                    await asyncio.gather(popping, return_exceptions=True)
        finally:
            await waiter.aclose()

    def cancel(self, run: RunKey) -> None:
        """Nothing here belongs to a run."""

    def drain(self) -> None:
        """Takes no more; what has begun is answered."""
        self._draining.set()

    async def _claim(self) -> ClaimedRequest | None:
        me = self._worker_id, self._executor
        release = partial(self._pool.execute, SQL["release_stray_state_requests"], *me, list(self._held))
        try:
            await self._strays.give_back(release)
            row = await self._pool.fetchrow(SQL["claim_state_request"], *me, self._graphs.ids)
        except Exception as error:
            if not is_transient(error):
                raise
            self._strays.expect()
            await asyncio.sleep(_AGAIN_SECONDS)
            return None
        if row is None:
            return None
        claimed = ClaimedRequest(**row)
        self._held.add(claimed.request_id)
        return claimed

    async def _answer(self, claimed: ClaimedRequest) -> None:
        try:
            async with asyncio.timeout(claimed.patience.total_seconds()):
                await self._try(claimed)
        except TimeoutError:
            # Nobody waits any more; the asker or the clockwork removes the request.
            _log.warning("state request took too long", extra=_words("state_late", claimed))
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("state request not answered", extra=_words("state_unanswered", claimed))
        finally:
            self._held.discard(claimed.request_id)
            self._free.release()
            await self._bus.publish([(self._bus.keys.done(claimed.request_id), b"1")])

    async def _try(self, claimed: ClaimedRequest) -> None:
        try:
            if claimed.kind == "update":
                await self._update(claimed)
            else:
                await self._end(claimed, await self._read(claimed))
        except RequestRefused as refusal:
            await self._end(claimed, reason=refusal.reason, text=refusal.text)
        except StaleRequest:
            _log.warning("state update given up: the request is not ours", extra=_words("state_stale", claimed))
        except StorageUnavailable:
            await asyncio.sleep(_AGAIN_SECONDS)
            await self._release(claimed)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            _log.exception("state request failed", extra=_words("state_failed", claimed))
            await self._end(claimed, reason="INTERNAL", text=type(error).__name__)

    async def _read(self, claimed: ClaimedRequest) -> bytes:
        saver = RunwireSaver(self._pool, keys=ThreadKeys(claimed.tenant))
        async with self._graphs.made(claimed.graph_id, claimed.config(), saver, self._store(claimed)) as graph:
            answer = await _READS[claimed.kind](graph, claimed)
        return answer.SerializeToString()

    async def _update(self, claimed: ClaimedRequest) -> None:
        promoted = await Update(claimed, self._graphs, self._pool, self._store(claimed)).make()
        await self._wake_next(claimed, promoted)

    async def _end(
        self, claimed: ClaimedRequest, response: bytes | None = None, reason: str | None = None, text: str | None = None
    ) -> None:
        statement = UPDATES["end_update"] if claimed.kind == "update" else SQL["answer_state_request"]
        values = (claimed.request_id, claimed.claim, response, reason, text)
        ended = await persistently(_ANSWER_SECONDS, partial(self._pool.fetchrow, statement, *values))
        if ended is not None:
            await self._wake_next(claimed, ended["promoted_graph_id"])

    async def _wake_next(self, claimed: ClaimedRequest, promoted_graph_id: str | None) -> None:
        """An update's end lets the thread's next update, or its next run, begin."""
        if promoted_graph_id is not None:
            await self._bus.wake([promoted_graph_id])
        else:
            await self._bus.wake_for_state(claimed.graph_id)

    async def _release(self, claimed: ClaimedRequest) -> None:
        await persistently(
            _ANSWER_SECONDS, self._pool.execute, SQL["release_state_request"], claimed.request_id, claimed.claim
        )

    def _store(self, claimed: ClaimedRequest) -> RunwireStore:
        return RunwireStore(self._pool, tenant=claimed.tenant, ttl=self._item_ttl)


def _words(action: str, claimed: ClaimedRequest) -> dict[str, str]:
    return {"action": action, "thread_id": claimed.thread_id, "kind": claimed.kind}
