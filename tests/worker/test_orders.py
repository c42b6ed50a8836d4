"""What the supervisor says is heard, whenever it comes."""

from __future__ import annotations

import asyncio
from typing import cast

from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.executor import Executor
from runwire.worker.executor_process import Orders
from runwire.worker.graphs import Graphs
from runwire.worker.link import ExecutorEnd
from runwire.worker.outbox import Outbox
from runwire.worker.thread_state import StateLane
from tests.worker.executors import side_by_side


async def test_an_executor_that_is_to_drain_as_soon_as_it_starts_ends(pool: Pool, bus: Bus, settings: Settings) -> None:
    orders, worker_id = Orders(cast(ExecutorEnd, None)), new_uuid()
    graphs = Graphs({"g": side_by_side(node=lambda _: {})})
    orders.take({"kind": "start", "worker_id": str(worker_id)})
    orders.take({"kind": "drain"})
    assert await orders.started == worker_id
    async with Outbox(pool, bus, settings) as outbox:
        lanes: list[Executor | StateLane] = [
            Executor(settings, worker_id, 1, graphs, pool, bus, outbox),
            StateLane(settings, worker_id, 1, graphs, pool, bus),
        ]
        orders.pass_on_to(lanes)
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(lane.run())
