"""A worker as the Stream process sees it: claims a run, publishes events at once, logs them a moment later, ends it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.stream.v1.stream_pb2 import (
    Custom,
    Finished,
    MessageChunk,
    RunEvent,
    Started,
    StreamRunResponse,
    Update,
    Values,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey, new_uuid
from runwire.core.postgres import Pool, is_transient
from runwire.core.settings import Settings

_CLAIM = """
UPDATE runs SET status = 'running', ready = false, worker_id = $2, claim = claim + 1, attempts = attempts + 1,
    started_at = now(), began_at = COALESCE(began_at, now())
WHERE run_id = $1 AND status = 'pending'
RETURNING claim
"""

_LOG = """
INSERT INTO run_events (run_id, claim, first_seq, last_seq, events)
SELECT $1, $2, $3, $4, $5
FROM (SELECT 1 FROM runs WHERE run_id = $1 AND claim = $2 AND status = 'running' FOR SHARE) AS held
ON CONFLICT (run_id, tenant, claim, first_seq) DO UPDATE SET last_seq = EXCLUDED.last_seq, events = EXCLUDED.events
WHERE run_events.last_seq < EXCLUDED.last_seq
"""


async def create_run(pool: Pool, *, event_log: bool = True, thread_id: str | None = None) -> UUID:
    """A pending run of an assistant `a`."""
    await pool.execute(
        "INSERT INTO assistants (assistant_id, version) VALUES ('a', 1) ON CONFLICT DO NOTHING",
    )
    run_id = new_uuid()
    outcome = await pool.fetchval(
        """
        SELECT outcome FROM create_run($1, 'default', $2, true, 'a', 1, 'g', 'enqueue', interval '0', '', '',
            '{}', '{"from": "test"}', $3)
        """,
        run_id,
        thread_id,
        event_log,
    )
    assert outcome == "created"
    return run_id


class Attempt:
    """One claim of a run. What it emits is published in order, and logged every flush interval."""

    def __init__(self, pool: Pool, bus: Bus, settings: Settings, run_id: UUID, claim: int) -> None:
        self._pool = pool
        self._bus = bus
        self._flush_interval = settings.event_flush_interval.total_seconds()
        self.run_id = run_id
        self.claim = claim
        self.event_log = True
        self.seq = 0
        self.sent: list[str] = []
        self._to_publish: list[RunEvent] = []
        self._to_log: list[RunEvent] = []
        self._publishing = asyncio.Lock()
        self._logging = asyncio.Lock()

    def event(self, namespace: tuple[str, ...] = (), **payload: Any) -> RunEvent:
        """The next event."""
        self.seq += 1
        time = Timestamp()
        time.GetCurrentTime()
        event = RunEvent(
            event_id=f"{self.claim}-{self.seq}",
            run_id=str(self.run_id),
            namespace=namespace,
            event_time=time,
            **payload,
        )
        self.sent.append(event.event_id)
        return event

    async def emit(self, *events: RunEvent, publish: bool = True, log: bool = True) -> None:
        """Events that happen; what piled up goes out in one message."""
        if log:
            self._to_log += events
        if publish:
            self._to_publish += events
            async with self._publishing:
                batch, self._to_publish = self._to_publish, []
                if batch:
                    await self.publish(batch)

    async def publish(self, events: list[RunEvent]) -> None:
        """One message on the run's channel."""
        raw = StreamRunResponse(events=events).SerializeToString()
        await self._bus.publish([(self._bus.keys.events(RunKey(DEFAULT_TENANT, self.run_id)), raw)])

    async def started(self, **how: bool) -> None:
        await self.emit(self.event(started=Started(attempt=self.claim)), **how)

    async def custom(self, data: object = 1, **how: bool) -> None:
        await self.emit(self.event(custom=Custom(data=Json(text=str(data)))), **how)

    def mixed(self, rng: random.Random) -> RunEvent:
        """An event of a random mode and namespace."""
        namespaces: list[tuple[str, ...]] = [(), ("sub:1",), ("sub:1", "deep:2"), ("other:3",)]
        text = Json(text="1" * rng.choice([1, 1, 1, 300]))
        payloads: list[dict[str, Any]] = [
            {"custom": Custom(data=text)},
            {"update": Update(node="n", update=text)},
            {"values": Values(values=text)},
            {"message": MessageChunk(message_id="m", delta="x")},
        ]
        return self.event(rng.choice(namespaces), **rng.choice(payloads))

    async def flush(self) -> None:
        """Writes what is unlogged."""
        if not self.event_log:
            return
        async with self._logging:
            batch = list(self._to_log)
            if not batch:
                return
            raw = StreamRunResponse(events=batch).SerializeToString()
            numbers = [int(event.event_id.split("-")[1]) for event in batch]
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
            await self._pool.execute(_LOG, self.run_id, self.claim, numbers[0], numbers[-1], raw)
            self._to_log = self._to_log[len(batch) :]

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """Logs every flush interval while the block runs."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._flush_until(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def _flush_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_interval):
                    await stop.wait()
            try:
                await self.flush()
            except Exception as error:
                if not is_transient(error):
                    raise

    async def finish(
        self,
        status: str = "success",
        *,
        output: str | None = None,
        interrupts: str | None = None,
        error: tuple[str, str] | None = None,
        publish: bool = True,
        log: bool = True,
    ) -> None:
        """Ends the run: the last events are written with the status, then published."""
        last = self.event(finished=Finished(status=f"RUN_STATUS_{status.upper()}"))
        async with self._logging:
            batch = [*self._to_log, last] if log and self.event_log else []
            self._to_log = []
            numbers = [int(event.event_id.split("-")[1]) for event in batch]
            row = await self._pool.fetchrow(
                "SELECT * FROM finish_run($1, $2, 'default', (SELECT thread_id FROM runs WHERE run_id = $1), $3, $4,"
                " NULL, $5, $6, $7, $8, $9, $10)",
                self.run_id,
                self.claim,
                status,
                output,
                interrupts,
                *(error or (None, None)),
                numbers[0] if numbers else None,
                numbers[-1] if numbers else None,
                StreamRunResponse(events=batch).SerializeToString() if batch else None,
            )
        assert row["outcome"] == "finished", row
        if publish:
            await self.emit(last, log=False)


async def play(attempt: Attempt, rng: random.Random, count: int) -> None:
    """A whole attempt of `count` events, unthrottled, in messages of random size."""
    async with attempt.flushing():
        await attempt.started()
        while attempt.seq < count - 1:
            size = min(rng.choice([1, 1, 1, 3, 20]), count - 1 - attempt.seq)
            await attempt.emit(*[attempt.mixed(rng) for _ in range(size)])
            await asyncio.sleep(rng.choice([0, 0, 0, 0.001, 0.003]))
        await attempt.finish()


async def play_until(attempt: Attempt, rng: random.Random, stop: asyncio.Event) -> None:
    """A whole attempt that goes on until `stop` is set."""
    async with attempt.flushing():
        await attempt.started()
        while not stop.is_set():
            await attempt.emit(*[attempt.mixed(rng) for _ in range(rng.choice([1, 1, 4]))])
            await asyncio.sleep(0.002)
        await attempt.finish()


class Producer:
    """Claims runs as a worker does."""

    def __init__(self, pool: Pool, bus: Bus, settings: Settings) -> None:
        self.pool = pool
        self.bus = bus
        self._settings = settings

    async def create(self, **options: Any) -> UUID:
        """A pending run."""
        return await create_run(self.pool, **options)

    async def claim(self, run_id: UUID) -> Attempt:
        """Begins an attempt."""
        claim = await self.pool.fetchval(_CLAIM, run_id, uuid4())
        assert claim is not None
        attempt = Attempt(self.pool, self.bus, self._settings, run_id, claim)
        attempt.event_log = await self.pool.fetchval("SELECT event_log FROM runs WHERE run_id = $1", run_id)
        return attempt

    async def begin(self, **options: Any) -> Attempt:
        """A run that is running, its `started` not sent yet."""
        return await self.claim(await self.create(**options))

    async def release(self, attempt: Attempt) -> None:
        """The attempt's worker has died; the run waits for another one."""
        await self.pool.execute(
            "SELECT release_run('default', $1, $2, true, interval '0')", attempt.run_id, attempt.claim
        )

    async def cancel(self, run_id: UUID, action: str = "interrupt") -> str:
        """As Dispatch does it, with the empty message for a run that ends right there."""
        outcome: str = await self.pool.fetchval("SELECT outcome FROM cancel_run('default', $1, $2)", run_id, action)
        if outcome == "cancelled":
            await self.bus.publish([(self.bus.keys.events(RunKey(DEFAULT_TENANT, run_id)), b"")])
        return outcome
