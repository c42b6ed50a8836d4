"""Crons that are due: each tick creates one run, in the transaction that passes on to the next tick.

A crash before the commit leaves the tick due, one after it leaves nothing to do; and a run's id follows from its
cron and its tick, so that there can't be two. A tick gets no run if

- another one has passed since and it is late: all of them together create one run,
- the run is refused: the thread is busy and the strategy is REJECT, the assistant is gone, or the tenant has as many
  open runs as it may have.

Such ticks are counted in `missed_ticks`. So there are as many runs and missed ticks as ticks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.core import postgres, sql
from runwire.core.bus import Bus
from runwire.core.errors import Refusal, ThreadBusy
from runwire.core.expiry import FOR_EVER, ThreadExpiry
from runwire.core.limits import NO_LIMITS, TenantLimits
from runwire.core.postgres import Pool
from runwire.dispatch import run_requests
from runwire.dispatch.crons import Connection, timing_of
from runwire.dispatch.hints import Hints
from runwire.dispatch.runs import Runs
from runwire.dispatch.schedules import LATE

_log = logging.getLogger(__name__)
_SQL = sql.load(__file__)

_CRONS_AT_ONCE = 200
_TICKS = uuid5(NAMESPACE_URL, "runwire:cron-ticks")

Place: TypeAlias = tuple[datetime, str]
"""A cron's place in the order of what is due of its tenant."""

_START: Place = (datetime(1, 1, 1, tzinfo=UTC), "")


def run_id_of(tenant: str, cron_id: str, tick: datetime) -> UUID:
    """The id of the run that a tick creates."""
    return uuid5(_TICKS, f"{tenant}/{cron_id}/{tick.astimezone(UTC).isoformat()}")


class CronTicks:
    """Creates the runs of crons that are due."""

    def __init__(
        self,
        pool: Pool,
        bus: Bus,
        hints: Hints,
        expiry: ThreadExpiry = FOR_EVER,
        limits: TenantLimits = NO_LIMITS,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._hints = hints
        self._expiry = expiry
        self._limits = limits

    async def tick_crons(self) -> bool:
        """Takes each due cron once, in turn between tenants. True: there may be more."""
        tenants = deque((row["tenant"], _START) for row in await self._pool.fetch(_SQL["due_tenants"]))
        for _ in range(_CRONS_AT_ONCE):
            if not tenants:
                return False
            tenant, place = tenants.popleft()
            found = await self._tick_next(tenant, place)
            if found is not None:
                tenants.append((tenant, found))
        return bool(tenants)

    async def _tick_next(self, tenant: str, after: Place) -> Place | None:
        place: Place | None = None
        try:
            with _once_committed(self._bus, self._hints) as hints:
                async with self._pool.acquire() as connection, connection.transaction():
                    row = await connection.fetchrow(_SQL["claim"], tenant, *after)
                    if row is None:
                        return None
                    place = (row["next_tick_at"], row["cron_id"])
                    # With a connection in place of the pool, what is created is part of its transaction.
                    await _tick(connection, row, Runs(connection, hints, self._expiry, self._limits))
        except Exception as error:
            # One cron that can't tick does not hold up the others.
            if place is None or postgres.is_transient(error):
                raise
            _log.error("a cron can't tick", exc_info=error, extra={"action": "cron_failed", "cron_id": place[1]})
        return place


async def _tick(connection: Connection, row: asyncpg.Record, runs: Runs) -> None:
    tenant, cron_id, thread_id, tick = row["tenant"], row["cron_id"], row["thread_id"], row["next_tick_at"]
    if thread_id is not None and not await connection.fetchval(_SQL["lock_thread"], tenant, thread_id):
        return
    timing = timing_of(row)
    if row["now"] - tick > LATE:
        # There may be thousands of missed ticks to count.
        advance = await asyncio.to_thread(timing.advance, tick, row["now"])
    else:
        advance = timing.advance(tick, row["now"])
    run_id = run_id_of(tenant, cron_id, tick)
    created = await _create_run(connection, runs, row, run_id)
    missed = advance.missed + (0 if created else 1)
    if advance.missed:
        _log.warning(
            "ticks of a cron were missed",
            extra={"action": "ticks_missed", "cron_id": cron_id, "missed": advance.missed},
        )
    await connection.execute(_SQL["advance"], tenant, cron_id, advance.next_tick, missed, run_id)


async def _create_run(connection: Connection, runs: Runs, row: asyncpg.Record, run_id: UUID) -> bool:
    """Whether the tick has its run."""
    request = CreateRunRequest.FromString(row["request"])
    request.run_id = str(run_id)
    try:
        # Where its webhook may go was judged when the cron was stored, and is again at each call.
        order = run_requests.check(request, private_webhooks=True)
        # What a limit undoes is undone to here.
        async with connection.transaction():
            await runs.create(row["tenant"], order)
    except Refusal as refusal:
        _log.log(
            logging.INFO if isinstance(refusal, ThreadBusy) else logging.WARNING,
            "a cron's tick creates no run",
            extra={"action": "tick_skipped", "cron_id": row["cron_id"], "reason": refusal.reason},
        )
        return False
    return True


class _Held(Hints):
    """Keeps hints back."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus)
        self.work: list[Coroutine[Any, Any, Any]] = []

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Notes the work."""
        self.work.append(work)


@contextmanager
def _once_committed(bus: Bus, hints: Hints) -> Iterator[Hints]:
    """Hints that are given when the block ends without an error: what they tell of can't be seen before."""
    held = _Held(bus)
    try:
        yield held
    except BaseException:
        for work in held.work:
            work.close()
        raise
    for work in held.work:
        hints.later(work)
