"""Pruning by request, and sweeping when a time to live is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from runwire.api.resource.v1.threads_pb2 import PruneThreadsRequest, TtlStrategy
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.resource.__main__ import running
from runwire.resource.pruning import Pruning
from runwire.resource.sweeping import Sweeper
from runwire.worker.checkpoint import RunwireSaver
from tests.harness.waiting import until
from tests.resource.conftest import Rows
from tests.resource.refusals import refused
from tests.worker.checkpoint_graphs import delta_graph

if TYPE_CHECKING:
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub

LASTING = 180
"""A time to live, in minutes, that is not over: the process's own sweeper comes round meanwhile."""

DELETE, KEEP_LATEST = TtlStrategy.TTL_STRATEGY_DELETE, TtlStrategy.TTL_STRATEGY_KEEP_LATEST


def config(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


async def ids(pool: Pool) -> list[str]:
    return [row["thread_id"] for row in await pool.fetch("SELECT thread_id FROM threads ORDER BY thread_id")]


async def store(
    pool: Pool, *thread_ids: str, strategy: str = "delete", minutes: int = 60, tenant: str = "default"
) -> None:
    """Threads that were changed two hours ago."""
    await pool.execute(
        "INSERT INTO threads (tenant, thread_id, ttl_strategy, ttl, updated_at)"
        " SELECT $4, unnest($1::text[]), $2, make_interval(mins => $3), now() - interval '2 hours'",
        thread_ids,
        strategy,
        minutes,
        tenant,
    )


async def prune(
    threads: ThreadsServiceAsyncStub, thread_ids: Sequence[str], strategy: TtlStrategy | None = None
) -> int:
    request = PruneThreadsRequest(thread_ids=thread_ids, strategy=strategy)
    return (await threads.PruneThreads(request)).pruned_count


async def checkpoints(pool: Pool, thread_id: str) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM checkpoints WHERE thread_id = $1", thread_id))


async def log(pool: Pool, thread_id: str) -> Any:
    state = await delta_graph(RunwireSaver(pool)).aget_state(config(thread_id))
    return state.values["log"]


async def run_graph(pool: Pool, thread_id: str) -> Any:
    """Gives the thread nine checkpoints, and returns what they come to."""
    await delta_graph(RunwireSaver(pool)).ainvoke({"log": ["start"], "left": 7}, config(thread_id))
    return await log(pool, thread_id)


@pytest.mark.parametrize("strategy", [None, DELETE])
async def test_threads_are_deleted_with_all_they_hold(
    threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows, strategy: TtlStrategy | None
) -> None:
    assistant_id = await rows.graph("agent")
    await store(pool, "t-1", "t-2", "t-3", minutes=LASTING)
    await run_graph(pool, "t-1")
    run_id = await rows.run("t-1", assistant_id)
    await rows.claim(run_id)
    await rows.finish(run_id)
    assert await prune(threads, ["t-1", "t-3", "nobody", "t-1"], strategy) == 2
    assert await ids(pool) == ["t-2"]
    for table in ["runs", "checkpoints", "checkpoint_blobs", "checkpoint_writes"]:
        assert await rows.count(table) == 0, table


async def test_keeping_the_latest_state_keeps_a_delta_channel_whole(
    threads: ThreadsServiceAsyncStub, pool: Pool
) -> None:
    await store(pool, "t-1", minutes=LASTING)
    before = await run_graph(pool, "t-1")
    count, changed = await checkpoints(pool, "t-1"), await pool.fetchval("SELECT updated_at FROM threads")
    assert await prune(threads, ["t-1"], KEEP_LATEST) == 1
    assert 0 < await checkpoints(pool, "t-1") < count
    assert await log(pool, "t-1") == before
    assert await pool.fetchval("SELECT updated_at FROM threads") == changed


@pytest.mark.parametrize("strategy", [DELETE, KEEP_LATEST])
@pytest.mark.parametrize("claimed", [False, True])
async def test_threads_with_an_active_run_are_left_alone(
    threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows, strategy: TtlStrategy, claimed: bool
) -> None:
    await store(pool, "t-1", minutes=LASTING)
    await run_graph(pool, "t-1")
    count = await checkpoints(pool, "t-1")
    run_id = await rows.run("t-1", await rows.graph("agent"))
    if claimed:
        await rows.claim(run_id)
    assert await prune(threads, ["t-1"], strategy) == 0
    assert (await ids(pool), await checkpoints(pool, "t-1")) == (["t-1"], count)


@pytest.mark.parametrize("strategy", [DELETE, KEEP_LATEST])
async def test_many_threads_are_pruned_in_batches_and_none_of_another_tenant(
    threads: ThreadsServiceAsyncStub, pool: Pool, strategy: TtlStrategy
) -> None:
    names = [f"t-{number}" for number in range(35)]
    await store(pool, *names, minutes=LASTING)
    await store(pool, "theirs", tenant="other", minutes=LASTING)
    assert await prune(threads, [*names, "theirs"], strategy) == 35
    assert len(await ids(pool)) == (1 if strategy == DELETE else 36)


async def test_a_wrong_prune_is_refused_with_all_violations(threads: ThreadsServiceAsyncStub) -> None:
    for request, violations in [
        (PruneThreadsRequest(), {"thread_ids": "FIELD_REQUIRED"}),
        (PruneThreadsRequest(thread_ids=["t"] * 1001), {"thread_ids": "FIELD_OUT_OF_RANGE"}),
        (
            PruneThreadsRequest(thread_ids=["t", "", "a b"], strategy=9),  # type: ignore[arg-type]
            {"thread_ids[1]": "FIELD_REQUIRED", "thread_ids[2]": "FIELD_INVALID", "strategy": "UNKNOWN_ENUM_VALUE"},
        ),
    ]:
        answer = await refused(threads.PruneThreads(request))
        assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
        assert answer.violations == violations


@pytest.mark.parametrize("strategy", [DELETE, KEEP_LATEST])
async def test_a_run_that_is_created_meanwhile_keeps_its_thread(
    threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows, strategy: TtlStrategy
) -> None:
    assistant_id = await rows.graph("agent")
    await store(pool, "t-1", minutes=LASTING)
    # So that the run does not change the thread's row.
    await pool.execute("UPDATE threads SET graph_id = 'agent', assistant_id = $1", assistant_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM threads FOR UPDATE")
        waiting = asyncio.ensure_future(prune(threads, ["t-1"], strategy))
        await until(lambda: pool.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"))
        await connection.execute(
            "SELECT outcome FROM create_run(gen_random_uuid(), 'default', 't-1', false, $1, 1, 'agent', 'enqueue',"
            " '0', '', '', '{}', '{}', true)",
            assistant_id,
        )
    assert await waiting == 0
    assert (await ids(pool), await rows.count("runs")) == (["t-1"], 1)


async def test_expired_threads_are_deleted_and_others_are_not(pool: Pool, rows: Rows) -> None:
    await store(pool, "over")
    await store(pool, "theirs", tenant="other")
    await store(pool, "later", minutes=180)
    await store(pool, "busy")
    await pool.execute("INSERT INTO threads (thread_id, updated_at) VALUES ('endless', '2000-01-01')")
    await run_graph(pool, "over")
    await rows.run("busy", await rows.graph("agent"))
    assert await Pruning(pool).sweep() == (2, False)
    assert await ids(pool) == ["busy", "endless", "later"]
    assert await rows.count("checkpoints") == 0


async def test_a_thread_expires_once_its_run_has_ended_long_ago(pool: Pool, rows: Rows) -> None:
    await store(pool, "t-1")
    run_id = await rows.run("t-1", await rows.graph("agent"))
    await rows.claim(run_id)
    assert await Pruning(pool).sweep() == (0, False)
    await rows.finish(run_id)
    assert await Pruning(pool).sweep() == (0, False)
    await pool.execute("UPDATE threads SET updated_at = now() - interval '1 hour'")
    assert await Pruning(pool).sweep() == (1, False)


async def test_a_thread_that_keeps_its_latest_state_is_pruned_and_counts_anew(pool: Pool) -> None:
    await store(pool, "t-1", strategy="keep_latest")
    before = await run_graph(pool, "t-1")
    count = await checkpoints(pool, "t-1")
    changed = await pool.fetchval("SELECT updated_at FROM threads")
    assert await Pruning(pool).sweep() == (1, False)
    assert await checkpoints(pool, "t-1") < count
    assert await log(pool, "t-1") == before
    assert await Pruning(pool).sweep() == (0, False)
    row = await pool.fetchrow("SELECT updated_at, expires_at - now() BETWEEN '59 min' AND '1 h' AS anew FROM threads")
    assert row is not None
    assert tuple(row) == (changed, True)


async def test_a_sweep_takes_a_bounded_batch_and_says_that_there_is_more(pool: Pool) -> None:
    await store(pool, *(f"t-{number}" for number in range(25)))
    assert [await Pruning(pool).sweep() for _ in range(3)] == [(10, True), (10, True), (5, False)]


async def sweep_all(pool: Pool) -> int:
    total, more = 0, True
    while more:
        count, more = await Pruning(pool).sweep()
        total += count
    return total


async def test_sweepers_at_once_do_each_thread_once(pool: Pool) -> None:
    names = [f"t-{number}" for number in range(60)]
    await store(pool, *names[:40])
    await store(pool, *names[40:], strategy="keep_latest")
    counts = await asyncio.gather(*[sweep_all(pool) for _ in range(4)])
    # One may stop early, having found the rest locked by others.
    assert sum(counts) + await sweep_all(pool) == 60
    assert await ids(pool) == sorted(names[40:])


async def test_a_sweeper_passes_over_threads_that_another_holds(pool: Pool) -> None:
    await store(pool, "held", "free")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT 1 FROM threads WHERE thread_id = 'held' FOR UPDATE")
        async with asyncio.timeout(5):
            assert await Pruning(pool).sweep() == (1, False)
    assert await ids(pool) == ["held"]


async def test_expired_items_are_deleted_once_by_sweepers_at_once(pool: Pool, rows: Rows) -> None:
    await pool.execute(
        "INSERT INTO store (prefix, key, value, ttl_minutes, expires_at)"
        " SELECT 'a', n::text, '{}', 1, now() + (n - 1500) * interval '1 s' FROM generate_series(1, 1600) n"
    )
    more = await asyncio.gather(*[Sweeper(pool).sweep_items() for _ in range(2)])
    assert sorted(more) == [False, True]
    assert await rows.count("store") == 100


async def test_the_process_sweeps_by_itself(settings: Settings, pool: Pool, rows: Rows) -> None:
    await store(pool, "t-1")
    await pool.execute("INSERT INTO store (prefix, key, value, expires_at) VALUES ('a', 'k', '{}', now())")
    quick = settings.model_copy(update={"expiry_interval": timedelta(seconds=0.05)})

    async def is_empty() -> bool:
        return await rows.count("threads") + await rows.count("store") == 0

    async with running(quick), running(quick):
        await until(is_empty)
        await store(pool, "t-2")
        await until(is_empty)
