"""The outbox of webhooks: what is owed is delivered at least once, tried again over about a day, and then given up.

The rows are written by the transaction that ends the run. A taker that dies in the middle of a call leaves a row that
is due again when its lease is over, so a receiver may be called twice; the delivery's id tells it so.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from standardwebhooks import Webhook as Signer

from runwire.api.dispatch.v1.runs_pb2 import Webhook
from runwire.core import sql
from runwire.core.postgres import Pool, persistently
from runwire.core.repeating import repeating
from runwire.core.settings import Settings
from runwire.dispatch.webhook_calls import Answer, Caller

_log = logging.getLogger(__name__)
_SQL = sql.load(__file__)

_POLL_INTERVAL = timedelta(seconds=0.5)
_FORGET_INTERVAL = timedelta(minutes=1)
_FORGOTTEN_AT_ONCE = 1000
_FREE_SLOT_SECONDS = 1.0
# Twelve tries with ten seconds after the first are spread over about a day.
_GROWTH = 2.35


@dataclass(frozen=True, slots=True)
class Delivery:
    """One that was taken. `attempts` counts this one, and is what a later taker would see differ."""

    delivery_id: UUID
    tenant: str
    run_id: UUID
    webhook: Webhook
    body: str
    attempts: int
    claimed_at: datetime


class Deliveries:
    """The rows of the outbox."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def claim(self, limit: int, lease: timedelta, under_way: Collection[str] = ()) -> list[Delivery]:
        """Takes at most `limit` deliveries that are due, for the time of the lease.

        `under_way` names the tenant of each delivery that the caller is at: whoever has least of them comes first.
        """
        return [_delivery(row) for row in await self._pool.fetch(_SQL["claim"], limit, lease, list(under_way))]

    async def settle_as_delivered(self, delivery: Delivery, answer: Answer) -> None:
        """The receiver has it."""
        bare = Webhook(url=delivery.webhook.url).SerializeToString()
        await self._pool.execute(_SQL["settle_as_delivered"], delivery.delivery_id, answer.http_status, bare)

    async def put_off(self, delivery: Delivery, answer: Answer, delay: timedelta) -> None:
        """It is tried again after the delay."""
        await self._pool.execute(
            _SQL["put_off"], delivery.delivery_id, delivery.attempts, answer.http_status, answer.error, delay
        )

    async def give_up(self, delivery: Delivery, answer: Answer) -> None:
        """It is not tried again."""
        bare = Webhook(url=delivery.webhook.url).SerializeToString()
        await self._pool.execute(
            _SQL["give_up"], delivery.delivery_id, delivery.attempts, answer.http_status, answer.error, bare
        )

    async def forget(self, retention: timedelta) -> bool:
        """Removes what was settled long ago, a batch at a time. True: there may be more."""
        rows = await self._pool.fetch(_SQL["forget"], retention, _FORGOTTEN_AT_ONCE)
        return len(rows) == _FORGOTTEN_AT_ONCE

    async def list_page(
        self, tenant: str, run_id: UUID | None, state: str | None, place: tuple[datetime, UUID] | None, limit: int
    ) -> list[asyncpg.Record]:
        """At most `limit` rows after `place`, the newest first."""
        name = "list" if run_id is None else "list_of_run"
        of_run = [] if run_id is None else [run_id]
        rows: list[asyncpg.Record] = await self._pool.fetch(
            _SQL[name], tenant, state, *(place or (None, None)), limit, *of_run
        )
        return rows


class Deliverer:
    """Delivers what is due, many at a time, so that a slow receiver does not hold up the others."""

    def __init__(self, deliveries: Deliveries, caller: Caller, settings: Settings) -> None:
        self._deliveries = deliveries
        self._caller = caller
        self._slots = settings.webhook_slots
        # An attempt that is still alive has been recorded well before this is over.
        self._lease = settings.webhook_timeout * 2
        self._tries = settings.webhook_attempts
        self._retry_delay = settings.webhook_retry_delay
        self._retention = settings.webhook_retention
        self._recording_limit = settings.webhook_timeout.total_seconds() / 2
        self._signers = [Signer(secret) for secret in settings.webhook_secret.split()]
        # With the tenants whose deliveries they are.
        self._tasks: dict[asyncio.Task[None], str] = {}

    async def deliver_due(self) -> bool:
        """Begins what is due, as far as there are free slots. True: there may be more."""
        free = self._slots - len(self._tasks)
        if free <= 0:
            await asyncio.wait(self._tasks, timeout=_FREE_SLOT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return True
        taken = await self._deliveries.claim(free, self._lease, self._tasks.values())
        for delivery in taken:
            task = asyncio.create_task(self._deliver(delivery), name=f"webhook-{delivery.delivery_id}")
            self._tasks[task] = delivery.tenant
            task.add_done_callback(self._tasks.pop)
        return len(taken) == free

    async def forget_old(self) -> bool:
        """Removes what was settled long ago."""
        return await self._deliveries.forget(self._retention)

    async def finish(self, grace: timedelta) -> None:
        """Waits for the calls under way; those that take longer are made again by another replica, or later."""
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, delivery: Delivery) -> None:
        answer = await self._call(delivery)
        try:
            await persistently(self._recording_limit, self._record, delivery, answer)
        except Exception as error:
            # Nobody waits for this task. What is not recorded is due again after its lease.
            _log.error(
                "a webhook's delivery was not recorded, and is made again",
                extra={**_named(delivery), "action": "webhook_not_recorded", "error": type(error).__name__},
            )

    async def _call(self, delivery: Delivery) -> Answer:
        headers = [("Content-Type", "application/json"), ("User-Agent", "runwire"), *self._own_headers(delivery)]
        headers += list(delivery.webhook.headers.items())
        try:
            return await self._caller.post(delivery.webhook.url, headers, delivery.body.encode())
        except Exception as error:
            # Its text may hold a header's value.
            _log.error(
                "a webhook can't be called",
                extra={**_named(delivery), "action": "webhook_failed", "error": type(error).__name__},
            )
            return Answer(0, "the request can't be sent")

    def _own_headers(self, delivery: Delivery) -> list[tuple[str, str]]:
        message_id, sent_at = str(delivery.delivery_id), delivery.claimed_at.astimezone(UTC)
        headers = [("webhook-id", message_id), ("webhook-timestamp", str(int(sent_at.timestamp())))]
        if self._signers:
            signatures = [signer.sign(message_id, sent_at, delivery.body) for signer in self._signers]
            headers.append(("webhook-signature", " ".join(signatures)))
        return headers

    async def _record(self, delivery: Delivery, answer: Answer) -> None:
        if not answer.error:
            await self._deliveries.settle_as_delivered(delivery, answer)
            return
        gives_up = delivery.attempts >= self._tries
        _log.warning(
            "a webhook is given up" if gives_up else "a webhook was not delivered; it is tried again",
            extra={
                **_named(delivery),
                "action": "webhook_given_up" if gives_up else "webhook_put_off",
                "attempts": delivery.attempts,
                "reason": answer.error,
            },
        )
        if gives_up:
            await self._deliveries.give_up(delivery, answer)
        else:
            await self._deliveries.put_off(delivery, answer, delay_after(delivery.attempts, self._retry_delay))


def delay_after(attempts: int, first: timedelta) -> timedelta:
    """How long to wait after this many tries: ever longer, and never for many at the same moment."""
    return first * _GROWTH ** (attempts - 1) * random.uniform(0.8, 1.2)


@asynccontextmanager
async def delivering(pool: Pool, settings: Settings, caller: Caller | None = None) -> AsyncIterator[None]:
    """Webhooks are delivered until the block ends. Any number of replicas may do so at once."""
    async with caller or Caller(settings) as calls:
        deliverer = Deliverer(Deliveries(pool), calls, settings)
        poll = min(settings.sweep_interval, _POLL_INTERVAL)
        try:
            async with repeating(
                settings.postgres_timeout, (poll, deliverer.deliver_due), (_FORGET_INTERVAL, deliverer.forget_old)
            ):
                yield
        finally:
            await deliverer.finish(settings.shutdown_grace)


def _delivery(row: asyncpg.Record) -> Delivery:
    webhook = Webhook.FromString(row["webhook"])
    return Delivery(
        row["delivery_id"], row["tenant"], row["run_id"], webhook, row["body"], row["attempts"], row["claimed_at"]
    )


def _named(delivery: Delivery) -> dict[str, str]:
    return {"delivery_id": str(delivery.delivery_id), "run_id": str(delivery.run_id)}
