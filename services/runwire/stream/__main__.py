"""The Stream process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from runwire.core import lifetime
from runwire.core.bus import Bus
from runwire.core.postgres import answers, connect
from runwire.core.server import serving
from runwire.core.settings import Settings
from runwire.stream.disconnect import Disconnects
from runwire.stream.fanout import Fanout
from runwire.stream.servicer import SERVICE, WAIT_RUN, StreamServicer, register


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[int]:
    """Serves until the block ends, then drains; the value is the bound port."""
    async with (
        connect(settings, "stream", generic_plans=True) as pool,
        Bus(settings) as bus,
        Disconnects(pool, bus) as disconnects,
        Fanout(bus) as fanout,
    ):
        services = [(SERVICE, partial(register, StreamServicer(pool, fanout, disconnects, settings)))]
        async with serving(
            settings, settings.stream_port, services, partial(answers, pool), patient=[WAIT_RUN]
        ) as port:
            try:
                yield port
            finally:
                fanout.drain()


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Runs until `stop`."""
    async with running(settings):
        await stop.wait()


if __name__ == "__main__":
    lifetime.run("stream", main)
