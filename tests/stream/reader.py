"""Clients of StreamRun and StreamThread that remember what they got, and wait for it without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from runwire.api.stream.v1.stream_pb2 import RunEvent, StreamRunRequest, StreamThreadRequest

if TYPE_CHECKING:
    from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceAsyncStub

LIMIT = 20.0


class Reader:
    """Reads one stream in the background, while `may_read` is set; as a context manager it ends with the block."""

    def __init__(self, stub: StreamServiceAsyncStub, run_id: UUID, **fields: Any) -> None:
        self.call: Any = self._begin(stub, run_id, fields)
        self.events: list[RunEvent] = []
        self.responses = 0
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    def _begin(self, stub: StreamServiceAsyncStub, name: Any, fields: dict[str, Any]) -> Any:
        return stub.StreamRun(StreamRunRequest(run_id=str(name), **fields))

    async def _read(self) -> None:
        try:
            async for response in self.call:
                self.responses += 1
                self.events.extend(response.events)
                self._changed.set()
                await self.may_read.wait()
        finally:
            self._changed.set()

    @property
    def ids(self) -> list[str]:
        """The ids of the run's own events: heartbeats and gaps are left out."""
        return [e.event_id for e in self.events if e.WhichOneof("payload") not in ("heartbeat", "gap")]

    @property
    def kinds(self) -> list[str]:
        return [event.WhichOneof("payload") or "" for event in self.events]

    async def joined(self) -> Self:
        """Waits until the server listens."""
        async with asyncio.timeout(LIMIT):
            await self.call.initial_metadata()
        return self

    async def until(self, condition: Callable[[Reader], bool]) -> Self:
        """Waits for something to be true of what was read."""
        async with asyncio.timeout(LIMIT):
            while not condition(self):
                if self._task.done():
                    await self._task
                    raise AssertionError(f"the stream ended with {self.ids[-3:]}")
                self._changed.clear()
                await self._changed.wait()
        return self

    async def has(self, event_id: str) -> Self:
        """Waits for an event."""
        return await self.until(lambda reader: event_id in reader.ids)

    async def end(self, limit: float = LIMIT) -> Self:
        """Waits for the stream's end; raises its error."""
        async with asyncio.timeout(limit):
            await self._task
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()


class ThreadReader(Reader):
    """As Reader, of all runs of a thread."""

    def __init__(self, stub: StreamServiceAsyncStub, thread_id: str, **fields: Any) -> None:
        super().__init__(stub, thread_id, **fields)  # type: ignore[arg-type]

    def _begin(self, stub: StreamServiceAsyncStub, name: Any, fields: dict[str, Any]) -> Any:
        return stub.StreamThread(StreamThreadRequest(thread_id=name, **fields))

    @property
    def own_ids(self) -> list[tuple[str, str]]:
        """Each event's run, and its id in it."""
        return [
            (e.run_id, e.event_id.split(":")[1])
            for e in self.events
            if e.WhichOneof("payload") not in ("heartbeat", "gap")
        ]

    async def has_own(self, *attempts: Any) -> Self:
        """Waits until the events of these attempts have come: they, in order, and nothing else."""
        wanted = [(str(attempt.run_id), event_id) for attempt in attempts for event_id in attempt.sent]
        await self.until(lambda reader: len(reader.ids) >= len(wanted))
        assert self.own_ids == wanted
        return self
