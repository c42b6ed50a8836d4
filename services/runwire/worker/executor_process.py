"""The main program of an executor process: loads the graphs, tells the supervisor, and works until told to stop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from uuid import UUID

from runwire.core import logs
from runwire.core.bus import Bus
from runwire.core.expiry import InvalidExpiry
from runwire.core.ids import RunKey
from runwire.core.lifetime import runner
from runwire.core.postgres import connect
from runwire.core.project import Project, ProjectError
from runwire.core.settings import Settings
from runwire.worker.executor import Executor
from runwire.worker.graphs import Graphs
from runwire.worker.link import ExecutorEnd, Message
from runwire.worker.outbox import Outbox
from runwire.worker.published import publish
from runwire.worker.store import item_ttl
from runwire.worker.thread_state import StateLane


async def main(number: int, *, publishes: bool) -> None:
    """Runs executor `number`; one of a worker's executors publishes the graphs."""
    settings = Settings()
    logs.configure(settings.log_level, f"executor-{number}")
    link = ExecutorEnd.inherited()
    try:
        graphs = Graphs.of(Project.read(settings.graphs))
        item_ttl(settings)
    except (ProjectError, InvalidExpiry) as error:
        link.send("failed", reason=str(error))
        sys.exit(1)
    async with (
        connect(settings, "executor", generic_plans=True) as pool,
        Bus(settings) as bus,
        Outbox(pool, bus, settings) as outbox,
        asyncio.TaskGroup() as group,
    ):
        if publishes:
            await publish(graphs, pool)
        orders = Orders(link)
        link.listen(orders.take, 2 * settings.lease.total_seconds())
        link.send("ready", graph_ids=graphs.ids)
        worker_id = await orders.started
        lanes: list[Executor | StateLane] = [
            Executor(settings, worker_id, number, graphs, pool, bus, outbox),
            StateLane(settings, worker_id, number, graphs, pool, bus),
        ]
        orders.pass_on_to(lanes)
        for lane in lanes:
            group.create_task(lane.run())


def run() -> None:
    """Runs the process. A node that calls sys.exit() ends its own run, not those beside it."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        # Both may be meant for the whole group; what becomes of executors is the supervisor's to say.
        signal.signal(signum, signal.SIG_IGN)
    with runner() as made:
        loop = made.get_loop()
        task = loop.create_task(main(int(sys.argv[1]), publishes="--publish" in sys.argv))
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt):
                if task.done():
                    raise


class Orders:
    """What the supervisor says, and who has to hear it."""

    def __init__(self, link: ExecutorEnd) -> None:
        self.started: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()
        self._lanes: Sequence[Executor | StateLane] = ()
        self._is_draining = False
        self._link = link

    def pass_on_to(self, lanes: Sequence[Executor | StateLane]) -> None:
        """These are to hear from now on. A drain may have come in one turn of the loop with the start, before them."""
        self._lanes = lanes
        if self._is_draining:
            for lane in lanes:
                lane.drain()

    def take(self, message: Message) -> None:
        """Obeys one message."""
        match message["kind"]:
            case "start":
                self.started.set_result(UUID(message["worker_id"]))
            case "ping":
                self._link.send("pong")
            case "cancel":
                for lane in self._lanes:
                    lane.cancel(RunKey.parse(message["run"]))
            case "drain":
                self._is_draining = True
                self.pass_on_to(self._lanes)


if __name__ == "__main__":
    run()
