"""The Dispatch process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import ModuleType

from runwire.api.dispatch.v1 import (
    crons_pb2,
    crons_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    thread_state_pb2,
    thread_state_pb2_grpc,
    workers_pb2,
    workers_pb2_grpc,
)
from runwire.core import lifetime, postgres
from runwire.core.bus import Bus
from runwire.core.expiry import Expiry, InvalidExpiry
from runwire.core.limits import TenantLimits
from runwire.core.newcomers import Newcomers
from runwire.core.server import Register, serving
from runwire.core.settings import Settings
from runwire.dispatch import clockwork, webhooks
from runwire.dispatch.crons import Crons
from runwire.dispatch.crons_servicer import CronsServicer
from runwire.dispatch.hints import Hints
from runwire.dispatch.runs import Runs
from runwire.dispatch.runs_servicer import RunsServicer
from runwire.dispatch.thread_state import ThreadStates
from runwire.dispatch.thread_state_servicer import ThreadStateServicer
from runwire.dispatch.webhooks import Deliveries
from runwire.dispatch.workers import Workers
from runwire.dispatch.workers_servicer import WorkersServicer


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[int]:
    """Dispatch serves until the block ends; the value is its port. Raises InvalidExpiry, AccessError."""
    expiry, limits = Expiry.read(settings.graphs).threads, TenantLimits.of_settings(settings)
    private_webhooks = settings.webhook_private_addresses
    async with (
        postgres.connect(settings, "dispatch") as pool,
        Bus(settings) as bus,
        bus.subscriptions() as subscriptions,
        Hints(bus) as hints,
        clockwork.turning(pool, bus, settings, expiry, limits),
        webhooks.delivering(pool, settings),
        serving(
            settings,
            settings.dispatch_port,
            services(
                RunsServicer(Runs(pool, hints, expiry, limits), Deliveries(pool), private_webhooks),
                ThreadStateServicer(ThreadStates(pool, bus, subscriptions, hints, settings.poll_interval)),
                CronsServicer(Crons(pool, expiry), private_webhooks),
                WorkersServicer(Workers(pool)),
            ),
            partial(postgres.answers, pool),
            inner=[Newcomers(pool)],
        ) as port,
    ):
        yield port


def services(
    runs: RunsServicer, thread_state: ThreadStateServicer, crons: CronsServicer, workers: WorkersServicer
) -> list[tuple[str, Register]]:
    """Each service of Dispatch and what registers it."""
    return [
        (_name(runs_pb2, "RunsService"), partial(runs_pb2_grpc.add_RunsServiceServicer_to_server, runs)),
        (
            _name(thread_state_pb2, "ThreadStateService"),
            partial(thread_state_pb2_grpc.add_ThreadStateServiceServicer_to_server, thread_state),
        ),
        (_name(crons_pb2, "CronsService"), partial(crons_pb2_grpc.add_CronsServiceServicer_to_server, crons)),
        (
            _name(workers_pb2, "WorkersService"),
            partial(workers_pb2_grpc.add_WorkersServiceServicer_to_server, workers),
        ),
    ]


def _name(module: ModuleType, service: str) -> str:
    name: str = module.DESCRIPTOR.services_by_name[service].full_name
    return name


async def main(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until `stop` is set."""
    try:
        async with running(settings):
            await stop.wait()
    except InvalidExpiry as error:
        sys.exit(str(error))


if __name__ == "__main__":
    lifetime.run("dispatch", main)
