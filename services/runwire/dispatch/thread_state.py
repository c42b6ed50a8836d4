"""Questions about a thread's state: a worker answers each through a row of its own.

    ask     one statement stores the question, if the thread has a graph that a live worker serves
    wait    for the worker's message, and look at the row now and then in case it is lost
    take    one statement reads the answer and removes the row

A question that nobody waits for any more is removed at once, by the clockwork if its asker died. An update is a
question like the others, but it holds its thread from the moment it is stored, see `ask_state_update` in the schema.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import NoReturn
from uuid import UUID

import asyncpg

from runwire.core import sql
from runwire.core.bus import Bus, Subscriptions
from runwire.core.errors import (
    CheckpointNotFound,
    DeadlineExceeded,
    NoWorker,
    StateUnreadable,
    StateUpdateRefused,
    ThreadBusy,
    ThreadHasNoGraph,
    ThreadNotFound,
)
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.dispatch.hints import Hints

_SQL = sql.load(__file__)
_ACK_SECONDS = 0.5


class WorkerFailedError(Exception):
    """A worker could not answer, for a reason that is no caller's fault."""


class ThreadStates:
    """Asks workers."""

    def __init__(
        self, pool: Pool, bus: Bus, subscriptions: Subscriptions, hints: Hints, poll_interval: timedelta
    ) -> None:
        self._pool = pool
        self._keys = bus.keys
        self._subscriptions = subscriptions
        self._hints = hints
        self._poll_seconds = poll_interval.total_seconds()

    async def ask(self, tenant: str, thread_id: str, kind: str, request: bytes, limit: float) -> bytes:
        """The worker's serialized response to a request of a kind: "get", "history" or "update".

        DeadlineExceeded after `limit` seconds; an update has then not been made, unless it was just being stored.
        """
        request_id = new_uuid()
        answered = asyncio.Event()
        channel = self._keys.done(request_id)
        stored = True
        patience = asyncio.timeout(limit)
        try:
            async with (
                patience,
                self._subscriptions.listen(channel, lambda _: answered.set(), ack_timeout=_ACK_SECONDS),
            ):
                asked = await self._store(request_id, tenant, thread_id, kind, request, limit)
                stored = asked["served"] and not asked["busy"]
                _refuse(asked, thread_id)
                self._hints.wake_for_state(asked["graph_id"])
                answer = await self._answer(request_id, asked["graph_id"], answered)
                stored = False
        except TimeoutError:
            if patience.expired():
                raise DeadlineExceeded from None
            raise
        finally:
            if stored:
                self._hints.later(self._remove(request_id, only_pending=False))
        return _response(answer, thread_id, asked["graph_id"])

    async def _store(
        self, request_id: UUID, tenant: str, thread_id: str, kind: str, request: bytes, limit: float
    ) -> asyncpg.Record:
        values = (request_id, tenant, thread_id, request, timedelta(seconds=limit))
        if kind == "update":
            return await self._pool.fetchrow(_SQL["ask_update"], *values)
        return await self._pool.fetchrow(_SQL["ask"], *values, kind)

    async def _answer(self, request_id: UUID, graph_id: str, answered: asyncio.Event) -> asyncpg.Record:
        while True:
            await self._next_look(answered)
            row = await self._pool.fetchrow(_SQL["take"], request_id)
            if row["answered"] or not row["waiting"]:
                return row
            if row["abandoned"] and await self._remove(request_id, only_pending=True):
                raise NoWorker(graph_id=graph_id)

    async def _remove(self, request_id: UUID, *, only_pending: bool) -> bool:
        row = await self._pool.fetchrow(_SQL["remove"], request_id, only_pending)
        if row["promoted_graph_id"] is not None:
            self._hints.wake(row["promoted_graph_id"])
        removed: bool = row["removed"]
        return removed

    async def _next_look(self, answered: asyncio.Event) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await answered.wait()
        answered.clear()


def _refuse(asked: asyncpg.Record, thread_id: str) -> None:
    if not asked["found"]:
        raise ThreadNotFound(thread_id=thread_id)
    if asked["graph_id"] is None:
        raise ThreadHasNoGraph(thread_id=thread_id)
    if asked["busy"]:
        raise ThreadBusy(thread_id=thread_id)
    if not asked["served"]:
        raise NoWorker(graph_id=asked["graph_id"])


def _response(answer: asyncpg.Record, thread_id: str, graph_id: str) -> bytes:
    if not answer["answered"]:
        # The question went with its thread.
        raise ThreadNotFound(thread_id=thread_id)
    if answer["error_reason"] is not None:
        _raise_refusal(answer["error_reason"], answer["error_message"], thread_id, graph_id)
    response: bytes = answer["response"]
    return response


def _raise_refusal(reason: str, message: str, thread_id: str, graph_id: str) -> NoReturn:
    match reason:
        case "THREAD_NOT_FOUND":
            raise ThreadNotFound(thread_id=thread_id)
        case "THREAD_HAS_NO_GRAPH":
            raise ThreadHasNoGraph(thread_id=thread_id)
        case "CHECKPOINT_NOT_FOUND":
            raise CheckpointNotFound(thread_id=thread_id, checkpoint_id=message)
        case "STATE_UPDATE_REFUSED":
            raise StateUpdateRefused(text=message)
        case "STATE_UNREADABLE":
            raise StateUnreadable(thread_id=thread_id)
        case "NO_WORKER":
            raise NoWorker(graph_id=graph_id)
    raise WorkerFailedError(f"{reason}: {message}")
