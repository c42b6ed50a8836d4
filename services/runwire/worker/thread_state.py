"""The state lane: reads of threads' states, which need the graph, in slots that busy runs do not take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from langgraph.types import StateSnapshot

from runwire.api.dispatch.v1.thread_state_pb2 import GetThreadStateResponse, StateTask, ThreadState
from runwire.core.bus import Bus
from runwire.core.postgres import Pool, is_transient
from runwire.core.settings import Settings
from runwire.core.sql import load
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.chunks import checkpoint_ref
from runwire.worker.events import interrupt_message, json_message
from runwire.worker.graphs import Graphs
from runwire.worker.store import RunwireStore

_log = logging.getLogger(__name__)

SQL = load(__file__)


class StateLane:
    """Answers thread state requests, a few at a time."""

    def __init__(self, settings: Settings, worker_id: UUID, graphs: Graphs, pool: Pool, bus: Bus) -> None:
        self._worker_id = worker_id
        self._graphs = graphs
        self._pool = pool
        self._bus = bus
        self._free = asyncio.Semaphore(settings.state_slots)
        self._poll_interval = settings.poll_interval.total_seconds()
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
                    request = await self._claim()
                    if request is not None:
                        answering.create_task(self._answer(request))
                        continue
                    self._free.release()
                    popping = asyncio.create_task(waiter.pop(lists, self._poll_interval))
                    await asyncio.wait([popping, stopping], return_when=asyncio.FIRST_COMPLETED)
                    popping.cancel()
                    await asyncio.gather(popping, return_exceptions=True)
        finally:
            await waiter.aclose()

    def cancel(self, run_id: UUID) -> None:
        """Nothing here belongs to a run."""

    def drain(self) -> None:
        """Takes no more; what has begun is answered."""
        self._draining.set()

    async def _claim(self) -> asyncpg.Record | None:
        try:
            return await self._pool.fetchrow(SQL["claim_state_request"], self._worker_id, self._graphs.ids)
        except Exception as error:
            if not is_transient(error):
                raise
            await asyncio.sleep(0.2)
            return None

    async def _answer(self, request: asyncpg.Record) -> None:
        try:
            response = await self._read(request)
            await self._pool.execute(SQL["answer_state_request"], request["request_id"], response, None, None)
        except Exception as error:
            _log.exception("state request failed", extra={"action": "state_failed", "thread_id": request["thread_id"]})
            if not is_transient(error):
                refusal = ("INTERNAL", type(error).__name__)
                await self._pool.execute(SQL["answer_state_request"], request["request_id"], None, *refusal)
        finally:
            self._free.release()
            await self._bus.publish([(self._bus.keys.done(request["request_id"]), b"1")])

    async def _read(self, request: asyncpg.Record) -> bytes:
        config: Any = {"configurable": {"thread_id": request["thread_id"]}, "metadata": {}}
        saver = RunwireSaver(self._pool, tenant=request["tenant"])
        store = RunwireStore(self._pool, tenant=request["tenant"])
        async with self._graphs.made(request["graph_id"], config, saver, store) as graph:
            snapshot = await graph.aget_state(config)
        return GetThreadStateResponse(state=state_message(snapshot)).SerializeToString()


def state_message(snapshot: StateSnapshot) -> ThreadState:
    """LangGraph's snapshot as a ThreadState."""
    state = ThreadState(
        next=snapshot.next,
        tasks=[_task_message(task) for task in snapshot.tasks],
        interrupts=[interrupt_message(interrupt) for interrupt in snapshot.interrupts],
    )
    if ref := checkpoint_ref(snapshot.config):
        state.checkpoint.CopyFrom(ref)
        state.values.CopyFrom(json_message(snapshot.values))
        state.metadata.CopyFrom(json_message(snapshot.metadata))
    if parent := checkpoint_ref(snapshot.parent_config):
        state.parent_checkpoint.CopyFrom(parent)
    if snapshot.created_at:
        state.create_time.FromDatetime(datetime.fromisoformat(snapshot.created_at))
    return state


def _task_message(task: Any) -> StateTask:
    message = StateTask(
        task_id=task.id,
        node=task.name,
        error=str(task.error or ""),
        interrupts=[interrupt_message(interrupt) for interrupt in task.interrupts],
    )
    if task.result is not None:
        message.result.CopyFrom(json_message(task.result))
    if isinstance(task.state, Mapping) and (ref := checkpoint_ref(task.state)):
        message.checkpoint.CopyFrom(ref)
    return message
