"""The Resource process in the test's own loop, its stubs, and rows as workers and Dispatch would write them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
import pytest

from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceStub
from runwire.api.resource.v1.store_pb2_grpc import StoreServiceStub
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.core.ids import DEFAULT_TENANT, default_assistant_id
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.resource.__main__ import running

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub
    from runwire.api.resource.v1.store_pb2_grpc import StoreServiceAsyncStub
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub

DRAWINGS = {
    "0": {
        "nodes": [{"id": "sub", "type": "runnable", "data": {"name": "sub", "big": 9007199254740993123456}}],
        "edges": [{"source": "sub", "target": "__end__", "conditional": True, "data": "when done"}],
    },
    "1": {
        "nodes": [{"id": "sub:a", "type": "runnable", "data": None}, {"id": "sub:b", "type": "runnable"}],
        "edges": [{"source": "sub:a", "target": "sub:b", "conditional": False, "data": None}],
    },
}
SCHEMAS = {"input": {"type": "object"}, "output": {"title": "out"}, "state": {}, "config": None, "context": None}
SUBGRAPHS = {
    name: {"input": {"title": name}, "output": None} for name in ["section|inner", "section", "sections", "a|b|c", "Ä"]
}


@pytest.fixture
async def channel(settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a Resource process."""
    async with running(settings) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as made:
        yield made


@pytest.fixture
def threads(channel: grpc.aio.Channel) -> ThreadsServiceAsyncStub:
    """The client's side of ThreadsService."""
    return ThreadsServiceStub(channel)


@pytest.fixture
def assistants(channel: grpc.aio.Channel) -> AssistantsServiceAsyncStub:
    """The client's side of AssistantsService."""
    return AssistantsServiceStub(channel)


@pytest.fixture
def store(channel: grpc.aio.Channel) -> StoreServiceAsyncStub:
    """The client's side of StoreService."""
    return StoreServiceStub(channel)


class Rows:
    """Writes what other processes write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def graph(
        self, graph_id: str, drawings: object = DRAWINGS, schemas: object = SCHEMAS, subgraphs: object = SUBGRAPHS
    ) -> str:
        """Publishes a graph; the value is its default assistant's id."""
        await self._pool.execute(
            "INSERT INTO graphs (graph_id, drawings, schemas, subgraphs) VALUES ($1, $2, $3, $4)",
            graph_id,
            json.dumps(drawings),
            json.dumps(schemas),
            json.dumps(subgraphs),
        )
        assistant_id = default_assistant_id(graph_id)
        await self.assistant(assistant_id, graph_id, is_default=True)
        return assistant_id

    async def assistant(
        self, assistant_id: str, graph_id: str, *, is_default: bool = False, tenant: str = DEFAULT_TENANT
    ) -> None:
        """An assistant in version 1."""
        await self._pool.execute(
            "INSERT INTO assistants (tenant, assistant_id, version, is_default) VALUES ($1, $2, 1, $3)",
            tenant,
            assistant_id,
            is_default,
        )
        await self._pool.execute(
            "INSERT INTO assistant_versions (tenant, assistant_id, version, graph_id, name) VALUES ($1, $2, 1, $3, $3)",
            tenant,
            assistant_id,
            graph_id,
        )

    async def run(self, thread_id: str | None, assistant_id: str, graph_id: str = "agent") -> UUID:
        """A pending run, as Dispatch creates it."""
        run_id = uuid4()
        outcome = await self._pool.fetchval(
            "SELECT outcome FROM create_run($1, 'default', $2, false, $3, 1, $4, 'enqueue', '0', '', '', '{}', '{}',"
            " true)",
            run_id,
            thread_id,
            assistant_id,
            graph_id,
        )
        assert outcome == "created"
        return run_id

    async def claim(self, run_id: UUID) -> UUID:
        """Makes a worker hold the run; the value is the worker's id."""
        worker_id = uuid4()
        await self._pool.execute(
            "UPDATE runs SET status = 'running', ready = false, worker_id = $2, claim = claim + 1 WHERE run_id = $1",
            run_id,
            worker_id,
        )
        return worker_id

    async def finish(self, run_id: UUID, status: str = "success", **fields: Any) -> None:
        """Ends a running run as its worker would."""
        error = fields.get("error", (None, None))
        outcome = await self._pool.fetchval(
            "SELECT f.outcome FROM runs r, finish_run(r.run_id, r.claim, r.tenant, r.thread_id, $2, NULL, $3, $4, $5,"
            " $6, 1, 1, 'x') f WHERE r.run_id = $1",
            run_id,
            status,
            fields.get("values"),
            fields.get("interrupts", "[]"),
            *error,
        )
        assert outcome == "finished"

    async def checkpoint(self, thread_id: str, run_id: UUID) -> None:
        """One checkpoint with a blob and a write."""
        await self._pool.execute(
            "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata) VALUES ($1, '1', '{}', $2)",
            thread_id,
            json.dumps({"run_id": str(run_id)}),
        )
        await self._pool.execute(
            "INSERT INTO checkpoint_blobs (thread_id, channel, version, type) VALUES ($1, 'c', '1', 'empty')",
            thread_id,
        )
        await self._pool.execute(
            "INSERT INTO checkpoint_writes (thread_id, checkpoint_id, task_id, idx, channel, blob)"
            " VALUES ($1, '1', 't', 0, 'c', '')",
            thread_id,
        )

    async def count(self, table: str) -> int:
        """All rows of a table."""
        return int(await self._pool.fetchval(f"SELECT count(*) FROM {table}"))


@pytest.fixture
def rows(pool: Pool) -> Rows:
    """Rows that other processes write."""
    return Rows(pool)
