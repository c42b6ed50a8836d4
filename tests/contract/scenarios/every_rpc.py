"""What any RPC may answer with: servers in a state in which they can't do better, and a request that reaches it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import asyncpg
from google.protobuf.message import Message

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
from runwire.api.resource.v1 import (
    assistants_pb2,
    assistants_pb2_grpc,
    store_pb2,
    store_pb2_grpc,
    threads_pb2,
    threads_pb2_grpc,
)
from runwire.api.stream.v1 import stream_pb2, stream_pb2_grpc
from runwire.core.postgres import persistently
from runwire.core.server import Register
from runwire.core.server import serving as serving_services
from runwire.embedded import Servers
from tests.contract.rpcs import all_rpcs
from tests.contract.scenarios.scenario import ABSENT, YEARLY, json_of
from tests.harness.databases import fresh_database, proxied_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import Platform, connected

_CALL_TIMEOUT = timedelta(seconds=0.5)
# The clockwork's statements lock the same tables, and either side may have to give way.
_DEADLOCK_SECONDS = 20.0

_RUN = runs_pb2.CreateRunRequest(assistant_id="echo")
# What an RPC needs beside ids and names, which `reaching` fills in.
_MORE: Mapping[str, Mapping[str, Any]] = {
    "SetLatestAssistantVersion": {"version": 1},
    "PruneThreads": {"thread_ids": ["t"]},
    "PutItem": {"namespace": ["n"], "value": json_of("{}")},
    "GetItem": {"namespace": ["n"]},
    "DeleteItem": {"namespace": ["n"]},
    "BatchCreateRuns": {"requests": [_RUN]},
    "UpdateThreadState": {"updates": [thread_state_pb2.StateUpdate()]},
    "CreateCron": {"schedule": YEARLY, "run": _RUN},
}
_NAMES = {"assistant_id": "echo", "graph_id": "echo", "thread_id": "t", "run_id": ABSENT, "cron_id": "c", "key": "k"}

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Broken = Callable[[Servers], AbstractAsyncContextManager[Platform]]


def reaching(rpc: str) -> Message:
    """A request that passes all checks, so that it gets as far as Postgres."""
    request = next(each for each in all_rpcs() if each.name == rpc).request_class(**_MORE.get(rpc, {}))
    for name, value in _NAMES.items():
        if name in request.DESCRIPTOR.fields_by_name and name not in _MORE.get(rpc, {}):
            setattr(request, name, value)
    return request


@asynccontextmanager
async def without_postgres(servers: Servers) -> AsyncIterator[Platform]:
    """Servers whose Postgres was there when they started, and is gone."""
    async with (
        proxied_database(servers) as (uri, proxy),
        serving(system_settings(uri, servers.redis_uri)) as platform,
    ):
        proxy.refusing = True
        proxy.cut()
        yield platform


@asynccontextmanager
async def held_up(servers: Servers) -> AsyncIterator[Platform]:
    """Servers whose statements wait for somebody else's locks."""
    async with (
        fresh_database(servers) as uri,
        serving(system_settings(uri, servers.redis_uri, call_timeout=_CALL_TIMEOUT)) as platform,
    ):
        holder = await persistently(_DEADLOCK_SECONDS, _holding, uri)
        try:
            yield platform
        finally:
            await holder.close()


async def _holding(uri: str) -> Connection:
    """A connection that has locked every table."""
    holder: Connection = await asyncpg.connect(uri)
    try:
        tables = await holder.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        await holder.execute(f"BEGIN; LOCK TABLE {', '.join(row[0] for row in tables)} IN ACCESS EXCLUSIVE MODE")
    except asyncpg.DeadlockDetectedError:
        await holder.close()
        raise
    return holder


@asynccontextmanager
async def without_schema(servers: Servers) -> AsyncIterator[Platform]:
    """Servers whose database is not what their statements were written for."""
    async with fresh_database(servers) as uri, serving(system_settings(uri, servers.redis_uri)) as platform:
        await persistently(_DEADLOCK_SECONDS, platform.pool.execute, "DROP SCHEMA public CASCADE")
        yield platform


@asynccontextmanager
async def without_handlers(servers: Servers) -> AsyncIterator[Platform]:
    """Servers that know the contract and serve nothing of it."""
    settings = system_settings(servers.database_uri, servers.redis_uri)
    async with AsyncExitStack() as stack:
        addresses = {}
        for process, files in _STUBS.items():
            registered = [_without_handlers(*file) for file in files]
            port = await stack.enter_async_context(serving_services(settings, 0, registered, _ready))
            addresses[process] = f"127.0.0.1:{port}"
        pool = await stack.enter_async_context(asyncpg.create_pool(servers.database_uri, min_size=0, max_size=1))
        yield await stack.enter_async_context(connected(settings, pool, addresses))


_STUBS: Mapping[str, tuple[tuple[Any, Any], ...]] = {
    "resource": ((assistants_pb2, assistants_pb2_grpc), (threads_pb2, threads_pb2_grpc), (store_pb2, store_pb2_grpc)),
    "dispatch": (
        (runs_pb2, runs_pb2_grpc),
        (thread_state_pb2, thread_state_pb2_grpc),
        (crons_pb2, crons_pb2_grpc),
        (workers_pb2, workers_pb2_grpc),
    ),
    "stream": ((stream_pb2, stream_pb2_grpc),),
}


def _without_handlers(file: Any, stubs: Any) -> tuple[str, Register]:
    """The file's service with the generated class in the place of a servicer."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    register = getattr(stubs, f"add_{service.name}Servicer_to_server")
    return service.full_name, partial(register, getattr(stubs, f"{service.name}Servicer")())


async def _ready() -> bool:
    return True


MALFORMED = "MALFORMED_MESSAGE"
"""Every RPC refuses bytes that are no request so, whatever state its server is in."""

_ALL = frozenset(rpc.name for rpc in all_rpcs())
_LIMITED = frozenset(rpc.name for rpc in all_rpcs() if not rpc.method.server_streaming) - {"WaitRun"}

STATES: Mapping[str, tuple[Broken, frozenset[str]]] = {
    "DATABASE_UNAVAILABLE": (without_postgres, _ALL),
    "DEADLINE_EXCEEDED": (held_up, _LIMITED),
    "INTERNAL": (without_schema, _ALL),
    "NOT_SERVED": (without_handlers, _ALL),
}
"""For each reason the servers that answer with it, and the RPCs that do."""
