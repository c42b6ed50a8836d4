"""The Resource process: `python -m runwire.resource`."""

from __future__ import annotations

import asyncio
import sys
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
from runwire.core.expiry import Expiry, InvalidExpiry, ThreadExpiry
from runwire.core.newcomers import Newcomers
from runwire.core.postgres import Pool, answers, connect
from runwire.core.server import Register, serving
from runwire.core.settings import Settings
from runwire.resource.assistant_versions import AssistantVersions
from runwire.resource.assistants import Assistants
from runwire.resource.assistants_servicer import AssistantsServicer
from runwire.resource.graphs import Graphs
from runwire.resource.pruning import Pruning
from runwire.resource.store import Items
from runwire.resource.store_servicer import StoreServicer
from runwire.resource.sweeping import sweeping
from runwire.resource.threads import Threads, Ttl
from runwire.resource.threads_servicer import ThreadsServicer


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[int]:
    """Serves until the block ends; the value is the bound port. Raises InvalidExpiry."""
    expiry = Expiry.read(settings.graphs)
    async with (
        connect(settings, "resource") as pool,
        Bus(settings) as bus,
        sweeping(pool, expiry, settings),
        serving(
            settings,
            settings.resource_port,
            _services(pool, bus, expiry),
            partial(answers, pool),
            inner=[Newcomers(pool)],
        ) as port,
    ):
        yield port


def _services(pool: Pool, bus: Bus, expiry: Expiry) -> list[tuple[str, Register]]:
    assistants = AssistantsServicer(Assistants(pool, bus), AssistantVersions(pool), Graphs(pool))
    threads = ThreadsServicer(Threads(pool, bus), Pruning(pool), _ttl(expiry.threads))
    store = StoreServicer(Items(pool, expiry.items))
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
            partial(store_pb2_grpc.add_StoreServiceServicer_to_server, store),
        ),
    ]


def _ttl(expiry: ThreadExpiry) -> Ttl | None:
    return None if expiry.duration is None else Ttl(expiry.strategy, expiry.duration)


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set."""
    try:
        async with running(settings):
            await stop.wait()
    except InvalidExpiry as error:
        sys.exit(str(error))


if __name__ == "__main__":
    lifetime.run("resource", main)
