"""The Resource process: `python -m runwire.resource`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from runwire.api.resource.v1 import (
    assistants_pb2,
    assistants_pb2_grpc,
    store_pb2,
    store_pb2_grpc,
    threads_pb2,
    threads_pb2_grpc,
)
from runwire.core import lifetime
from runwire.core.bus import Bus
from runwire.core.postgres import Pool, answers, connect
from runwire.core.server import Register, serving
from runwire.core.settings import Settings
from runwire.resource.assistants import Assistants
from runwire.resource.assistants_servicer import AssistantsServicer
from runwire.resource.graphs import Graphs
from runwire.resource.threads import Threads
from runwire.resource.threads_servicer import ThreadsServicer


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[int]:
    """Serves until the block ends; the value is the bound port."""
    async with (
        connect(settings, "resource") as pool,
        Bus(settings) as bus,
        serving(settings, settings.resource_port, _services(pool, bus), partial(answers, pool)) as port,
    ):
        yield port


def _services(pool: Pool, bus: Bus) -> list[tuple[str, Register]]:
    assistants = AssistantsServicer(Assistants(pool, bus), Graphs(pool))
    threads = ThreadsServicer(Threads(pool, bus))
    return [
        (
            assistants_pb2.DESCRIPTOR.services_by_name["AssistantsService"].full_name,
            partial(assistants_pb2_grpc.add_AssistantsServiceServicer_to_server, assistants),
        ),
        (
            threads_pb2.DESCRIPTOR.services_by_name["ThreadsService"].full_name,
            partial(threads_pb2_grpc.add_ThreadsServiceServicer_to_server, threads),
        ),
        (
            store_pb2.DESCRIPTOR.services_by_name["StoreService"].full_name,
            partial(store_pb2_grpc.add_StoreServiceServicer_to_server, store_pb2_grpc.StoreServiceServicer()),
        ),
    ]


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set."""
    async with running(settings):
        await stop.wait()


if __name__ == "__main__":
    lifetime.run("resource", main)
