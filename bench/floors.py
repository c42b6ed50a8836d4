"""The floors: what this machine can do at all, measured in the same run, each with one caller at a time.

engine    the graph alone, in this process, with a saver in memory
redis     one PUBLISH until its subscriber has it
postgres  one insert of 1 KB with its commit
grpc      one unary call of 200 bytes to another process and back
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import asyncpg
import grpc
import redis.asyncio
from langgraph.checkpoint.memory import InMemorySaver

from bench import graphs
from bench.cells import W1, W2, W2M, W3, Sample, Workload
from runwire.core.settings import Settings

_ECHO = "/bench.Echo/Echo"

Once = Callable[[], Awaitable[object]]


async def measure(settings: Settings, seconds: float) -> Sample:
    """The median of each floor in milliseconds."""
    engines = {f"engine {each.name}": await _engine(each, seconds) for each in (W1, W2, W2M, W3)}
    return {
        **engines,
        "redis": await _redis(settings.redis_uri, seconds),
        "postgres": await _postgres(settings.database_uri, seconds),
        "grpc": await _grpc(seconds),
    }


async def _median_ms(once: Once, seconds: float) -> float:
    for _ in range(3):
        await once()
    times = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        await once()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


async def _engine(workload: Workload, seconds: float) -> float:
    graph: Any = getattr(graphs, workload.graph).compile(checkpointer=InMemorySaver())

    async def once() -> None:
        config = {"configurable": {"thread_id": str(uuid.uuid4())}}
        async for _ in graph.astream(workload.input, config, stream_mode=workload.mode):
            pass

    return await _median_ms(once, seconds)


async def _redis(uri: str, seconds: float) -> float:
    async with redis.asyncio.from_url(uri) as client, client.pubsub() as subscriber:
        channel = f"bench:{uuid.uuid4()}"
        await subscriber.subscribe(channel)
        await subscriber.get_message(timeout=1)

        async def once() -> None:
            await client.publish(channel, b"x" * 200)
            await subscriber.get_message(timeout=1)

        return await _median_ms(once, seconds)


async def _postgres(uri: str, seconds: float) -> float:
    connection = await asyncpg.connect(uri)
    try:
        # Not a temporary one: those are not made durable.
        await connection.execute("CREATE TABLE bench_floor (id bigserial PRIMARY KEY, body text)")
        insert = await connection.prepare("INSERT INTO bench_floor (body) VALUES ($1)")
        return await _median_ms(lambda: insert.fetch("x" * 1024), seconds)
    finally:
        await connection.execute("DROP TABLE IF EXISTS bench_floor")
        await connection.close()


async def _grpc(seconds: float) -> float:
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve_echo, args=(theirs,), daemon=True)
    server.start()
    try:
        port = await asyncio.to_thread(ours.recv)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            echo: Any = channel.unary_unary(_ECHO)
            return await _median_ms(lambda: echo(b"x" * 200), seconds)
    finally:
        server.terminate()
        await asyncio.to_thread(server.join)


def _serve_echo(parent: Connection) -> None:
    asyncio.run(_echo(parent))


async def _echo(parent: Connection) -> None:
    async def answer(request: bytes, context: object) -> bytes:
        return request

    server = grpc.aio.server()
    method: Any = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", {"Echo": method})])
    parent.send(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    await server.wait_for_termination()
