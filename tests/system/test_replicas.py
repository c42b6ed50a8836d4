"""Two processes of each kind: what the clock brings about happens once, also when one of them dies and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from runwire.cli import stack
from runwire.client import Client, connect
from runwire.core.postgres import Pool
from runwire.dispatch.cron_ticks import run_id_of
from runwire.embedded import Servers
from tests.dispatch.factories import GRAPH, make_assistant
from tests.dispatch.webhook_receiver import Receiver, Reply, receiving
from tests.harness.databases import fresh_database, system_settings
from tests.harness.waiting import until

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Replicas:
    """Two Resources and two Dispatches; `client` calls the second of each."""

    stack: stack.Stack
    pool: Pool
    client: Client

    async def runs_of(self, cron_id: str) -> set[UUID]:
        """The runs that a cron's ticks have created."""
        return {row["run_id"] for row in await self.pool.fetch("SELECT run_id FROM runs WHERE cron_id = $1", cron_id)}

    async def at_least(self, count: int, cron_id: str) -> None:
        """Waits until a cron has created this many runs."""

        async def enough() -> bool:
            return len(await self.runs_of(cron_id)) >= count

        await until(enough)

    async def kill(self, *names: str) -> None:
        """As `kill -9` does."""
        for name in names:
            self.stack.process(name).kill()
            await self.stack.process(name).wait()

    async def restart(self, *names: str) -> None:
        """At the same addresses."""
        await asyncio.gather(*(self.stack.restart(name) for name in names))


@pytest.fixture(scope="module")
async def replicas(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replicas]:
    """Without a worker: nothing is executed."""
    parts = ["resource", "resource-2", "dispatch", "dispatch-2"]
    async with fresh_database(servers) as uri, asyncpg.create_pool(uri, min_size=1, max_size=2) as pool:
        settings = system_settings(
            uri,
            servers.redis_uri,
            expiry_interval=timedelta(seconds=0.2),
            webhook_private_addresses=True,
            webhook_timeout=SECOND,
        )
        await make_assistant(pool)
        async with stack.running(settings, log_dir=tmp_path_factory.mktemp("replicas"), processes=parts) as started:
            resource, dispatch = started.address("resource-2"), started.address("dispatch-2")
            async with connect(resource=resource, dispatch=dispatch) as client:
                yield Replicas(started, pool, client)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


async def _moved(replicas: Replicas, cron_id: str, to: datetime) -> None:
    await replicas.pool.execute("UPDATE crons SET next_tick_at = $2 WHERE cron_id = $1", cron_id, to)


async def test_every_tick_has_one_run_while_a_replica_dies_and_comes_back(replicas: Replicas) -> None:
    cron = await replicas.client.crons.create(GRAPH, schedule="* * * * * *")
    first: Any = cron.next_tick_time
    await replicas.at_least(2, cron.cron_id)
    await replicas.kill("dispatch")
    await replicas.at_least(4, cron.cron_id)
    await replicas.restart("dispatch")
    await replicas.at_least(6, cron.cron_id)
    ended = await replicas.client.crons.update(cron.cron_id, enabled=False)
    runs = await replicas.runs_of(cron.cron_id)
    ticks = [first + number * SECOND for number in range(len(runs) + ended.missed_ticks)]
    assert runs <= {run_id_of("default", cron.cron_id, tick) for tick in ticks}
    assert len(ticks) - len(runs) == ended.missed_ticks


async def test_ticks_missed_while_no_replica_lived_create_one_run_and_are_counted(replicas: Replicas) -> None:
    cron = await replicas.client.crons.create(GRAPH, schedule="* * * * *")
    await replicas.kill("dispatch", "dispatch-2")
    first = await replicas.pool.fetchval("SELECT date_trunc('minute', now()) - interval '1 hour'")
    await _moved(replicas, cron.cron_id, first)
    await replicas.restart("dispatch", "dispatch-2")
    await replicas.at_least(1, cron.cron_id)
    ended = await replicas.client.crons.update(cron.cron_id, enabled=False)
    runs = await replicas.runs_of(cron.cron_id)
    assert run_id_of("default", cron.cron_id, first) in runs
    # A minute may have begun meanwhile, which has a run of its own.
    assert len(runs) in (1, 2)
    assert ended.missed_ticks in (60, 61)


async def test_a_clock_that_is_set_back_brings_no_tick_twice(replicas: Replicas) -> None:
    cron = await replicas.client.crons.create(GRAPH, schedule="* * * * * *")
    first: Any = cron.next_tick_time
    await replicas.at_least(2, cron.cron_id)
    before = await replicas.runs_of(cron.cron_id)
    await _moved(replicas, cron.cron_id, first)
    await replicas.at_least(len(before) + 2, cron.cron_id)
    ended = await replicas.client.crons.update(cron.cron_id, enabled=False)
    runs = await replicas.runs_of(cron.cron_id)
    ticks = [first + number * SECOND for number in range(len(runs) + ended.missed_ticks)]
    assert runs <= {run_id_of("default", cron.cron_id, tick) for tick in ticks}


async def test_expired_threads_are_swept_by_replicas_that_die_and_come_back(replicas: Replicas) -> None:
    kept = await replicas.client.threads.create()
    for _ in range(40):
        await replicas.client.threads.create(ttl=MINUTE)
    await replicas.kill("resource")
    await replicas.pool.execute("UPDATE threads SET updated_at = now() - interval '1 hour'")
    await replicas.restart("resource")

    async def swept() -> bool:
        return await replicas.client.threads.count() == 1

    await until(swept)
    assert (await replicas.client.threads.get(kept.thread_id)).thread_id == kept.thread_id


async def test_a_webhook_whose_sender_dies_is_sent_again_and_recognized(replicas: Replicas, receiver: Receiver) -> None:
    never = asyncio.Event()
    receiver.replies = [Reply(after=never), Reply()]
    run = await replicas.client.runs.create(None, GRAPH, webhook=receiver.url())
    await replicas.client.runs.cancel(run.run_id)
    await receiver.got(1)
    await replicas.kill("dispatch", "dispatch-2")
    await replicas.restart("dispatch", "dispatch-2")
    first, second = await receiver.got(2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
