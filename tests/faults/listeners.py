"""Listeners to a thread: they read the events of all its runs, one run after another, over many streams if need be."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import grpc
import grpc.aio

from runwire.api.stream.v1 import stream_pb2
from tests.faults.calls import Calls, reason_of
from tests.faults.reading import Reading, inside_of

_SILENCE_SECONDS = 8
_KEPT = 12


class Listener:
    """Notes what it read of each run when that run has finished, as a reader of the run alone would."""

    def __init__(self, calls: Calls, thread_id: str) -> None:
        self._calls = calls
        self._thread_id = thread_id
        self._last_id = ""
        self._readings: dict[str, Reading] = {}
        self._begun = self._turn = 0
        self._ends: list[str] = []
        self._broken: list[tuple[int, int]] = []
        self._order: list[str] = []
        self._progress = asyncio.Condition()

    async def listen(self) -> None:
        """Until it is cancelled, or told something that is not passing."""
        while True:
            self._begun = time.time_ns()
            answer = await self._session()
            self._ends = [*self._ends[1 - _KEPT :], answer]
            if answer != "passing":
                return
            self._broken = [*self._broken[1 - _KEPT :], (self._begun, time.time_ns())]
            await asyncio.sleep(0.2)

    async def listening(self) -> None:
        """Returns when it has a place in the thread: no run that is created from then on is missed."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._last_id)

    async def finished(self, run_ids: list[str], within: float) -> None:
        """Waits for the ends of runs; notes which of them did not come, and the order of the runs."""

        def have_come() -> bool:
            return all(run_id in self._readings and self._readings[run_id].finished for run_id in run_ids)

        with suppress(TimeoutError):
            async with asyncio.timeout(within), self._progress:
                await self._progress.wait_for(have_come)
        for run_id in run_ids:
            reading = self._readings.setdefault(run_id, Reading(run_id))
            if reading.finished is None:
                self._note(reading)
        self._calls.history.note("listened", thread=self._thread_id, runs=self._order)

    async def _session(self) -> str:
        request = stream_pb2.StreamThreadRequest(thread_id=self._thread_id, after_event_id=self._last_id)
        request.heartbeat_interval.FromMilliseconds(1000)
        call = self._calls.one("stream").StreamThread(request, timeout=120, metadata=self._calls.metadata)
        try:
            while True:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    response = await call.read()
                if response is grpc.aio.EOF:
                    break
                async with self._progress:
                    for event in response.events:
                        self._take(event)
                    self._progress.notify_all()
            code = await call.code()
            if code == grpc.StatusCode.OK:
                return "OK"
            raise grpc.aio.AioRpcError(
                code, await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
            )
        except TimeoutError:
            return "passing"
        except grpc.aio.AioRpcError as error:
            if self._calls.is_passing("StreamThread", error):
                return "passing"
            return f"{error.code().name} {reason_of(error)}".strip()
        finally:
            call.cancel()

    def _take(self, event: stream_pb2.RunEvent) -> None:
        self._last_id = event.event_id
        if event.WhichOneof("payload") == "heartbeat":
            return
        if self._order[-1:] != [event.run_id]:
            self._order.append(event.run_id)
        event.event_id = inside_of(event.event_id)
        reading = self._readings.setdefault(event.run_id, Reading(event.run_id))
        reading.take(event)
        if reading.finished is not None:
            self._note(reading)

    def _note(self, reading: Reading) -> None:
        self._calls.history.note(
            "read",
            at=self._begun,
            left=False,
            ends=self._ends or ["listening"],
            broken=self._broken,
            # A run's turn comes when the one that began before it has ended.
            last=max(self._begun, self._turn),
            slow=False,
            replay=False,
            **reading.entry(),
        )
        self._turn = time.time_ns()
