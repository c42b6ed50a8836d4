"""The servers and a worker in the test's own event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import UUID

import asyncpg

import runwire.dispatch.__main__ as dispatch
import runwire.resource.__main__ as resource
import runwire.stream.__main__ as stream
from runwire.core.bus import Bus
from runwire.core.ids import RunKey
from runwire.core.postgres import connect, is_transient
from runwire.core.project import Project
from runwire.core.settings import Settings
from runwire.worker.executor import Executor
from runwire.worker.graphs import Graphs
from runwire.worker.outbox import Outbox
from runwire.worker.published import publish
from runwire.worker.registration import Registration
from runwire.worker.thread_state import StateLane
from tests.harness.platform import Platform, connected

PROJECT = Path(__file__).parent.parent / "project" / "langgraph.json"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Platform]:
    """Resource, Dispatch and Stream. No worker."""
    async with AsyncExitStack() as stack:
        processes = {"resource": resource, "dispatch": dispatch, "stream": stream}
        addresses = {
            name: f"127.0.0.1:{await stack.enter_async_context(process.running(settings))}"
            for name, process in processes.items()
        }
        pool = await stack.enter_async_context(asyncpg.create_pool(settings.database_uri, min_size=1, max_size=4))
        yield await stack.enter_async_context(connected(settings, pool, addresses))


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[Platform]:
    """All of it, the worker's two lanes included."""
    async with serving(settings) as platform, working(settings):
        yield platform


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[UUID]:
    """A worker without a supervisor; the value is its id. It is drained at the end."""
    async with connect(settings, "executor") as pool, Bus(settings) as bus, Outbox(pool, bus, settings) as outbox:
        graphs = _graphs()
        await publish(graphs, pool)
        life = Registration(pool, settings)
        await life.enter(graphs.ids, 1)
        executor = Executor(settings, life.worker_id, 1, graphs, pool, bus, outbox)
        lane = StateLane(settings, life.worker_id, 1, graphs, pool, bus)
        keeping = asyncio.create_task(_keep(life, settings, executor, bus))
        lanes = [asyncio.create_task(executor.run()), asyncio.create_task(lane.run())]
        try:
            yield life.worker_id
        finally:
            executor.drain()
            lane.drain()
            await asyncio.gather(*lanes)
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await life.leave()


@cache
def _graphs() -> Graphs:
    return Graphs.of(Project.read(PROJECT))


async def _keep(life: Registration, settings: Settings, executor: Executor, bus: Bus) -> None:
    """What the supervisor does for an executor that behaves."""

    def on_message(message: bytes | None) -> None:
        if message:
            executor.cancel(RunKey.parse(message.decode().partition(" ")[0]))

    async with (
        bus.subscriptions() as subscriptions,
        subscriptions.listen(bus.keys.control(life.worker_id), on_message),
    ):
        await _beat(life, settings, executor)


async def _beat(life: Registration, settings: Settings, executor: Executor) -> None:
    while True:
        try:
            overdue = await life.beat()
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            assert overdue is not None, "the worker was declared dead"
            for late in overdue:
                if late.cancel:
                    executor.cancel(late.run)
        await asyncio.sleep(settings.heartbeat_interval.total_seconds())
