"""The worker process: a supervisor and its executors. It serves health and reflection only."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runwire.core import lifetime
from runwire.core.bus import Bus
from runwire.core.postgres import connect
from runwire.core.server import serving
from runwire.core.settings import Settings
from runwire.worker.supervisor import Supervisor, WorkerError, supervising


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """A worker, until the block ends; then it is drained. The value is the supervisor's task."""
    async with connect(settings, "worker", size=3) as pool, Bus(settings) as bus:
        supervisor = Supervisor(settings, pool, bus)
        async with (
            serving(settings, settings.worker_port, [("runwire.worker", lambda _: None)], supervisor.is_ready),
            supervising(supervisor, asyncio.Event()) as task,
        ):
            yield task


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Works until `stop`, or until the supervisor gives up."""
    try:
        async with running(settings) as supervisor:
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([supervisor, stopped], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
    except* WorkerError as errors:
        sys.exit(f"The worker can't start. {errors.exceptions[0]}")


if __name__ == "__main__":
    lifetime.run("worker", main)
