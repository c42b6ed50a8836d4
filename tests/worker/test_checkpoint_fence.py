"""A run that was taken over writes no checkpoint, blob or write any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from langchain_core.runnables import RunnableConfig

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.fence import Fence, StaleClaim
from tests.worker.checkpoint_graphs import chat_graph, new_thread, put_one, question

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0"
INSERT_RUN = """
INSERT INTO runs
    (run_id, claim, status, worker_id, finished_at,
    assistant_id, assistant_version, graph_id, due_at, request, request_digest, created_at)
VALUES
    ($1, $2, $3, CASE WHEN $3 = 'running' THEN gen_random_uuid() END,
    CASE WHEN $3 NOT IN ('running', 'pending') THEN now() END, 'a', 1, 'g', now(), '', '', now())
"""
TAKE_OVER = "UPDATE runs SET claim = claim + 1 WHERE run_id = $1"


async def _running_run(pool: Pool, *, claim: int = 1, status: str = "running") -> UUID:
    run_id = uuid4()
    await pool.execute(INSERT_RUN, run_id, claim, status)
    return run_id


async def _row_count(pool: Pool) -> int:
    counts = [
        await pool.fetchval(f"SELECT count(*) FROM {table}")
        for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    ]
    return sum(counts)


async def _blocked_backends(pool: Pool) -> int:
    return int(await pool.fetchval(BLOCKED))


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():
            await asyncio.sleep(0)


async def test_a_graph_runs_under_a_claim_that_holds(pool: Pool) -> None:
    run_id = await _running_run(pool, claim=3)
    saver = RunwireSaver(pool, fence=Fence(run_id, 3))
    config = new_thread()

    await chat_graph(saver).ainvoke(question(), config)

    assert (await chat_graph(saver).aget_state(config)).next == ("approve",)


@pytest.mark.parametrize(("claim", "status"), [(2, "running"), (1, "success"), (1, "pending"), (1, "cancelled")])
async def test_a_stale_claim_writes_nothing(pool: Pool, claim: int, status: str) -> None:
    saver = RunwireSaver(pool, fence=Fence(await _running_run(pool, claim=claim, status=status), 1))
    config: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c"}}

    with pytest.raises(StaleClaim):
        await put_one(saver, config, big=[1, 2, 3])
    with pytest.raises(StaleClaim):
        await saver.aput_writes(config, [("channel", "value")], "task")
    with pytest.raises(StaleClaim):
        await saver.aput_writes(config, [("__error__", "value")], "task")

    assert await _row_count(pool) == 0


async def test_an_unknown_run_writes_nothing(pool: Pool) -> None:
    with pytest.raises(StaleClaim):
        await put_one(RunwireSaver(pool, fence=Fence(uuid4(), 1)), new_thread(), big=[1])

    assert await _row_count(pool) == 0


async def test_a_stale_claim_removes_and_copies_nothing(pool: Pool) -> None:
    config = await put_one(RunwireSaver(pool), new_thread(), big=[1, 2, 3])
    thread_id = config["configurable"]["thread_id"]
    stale = RunwireSaver(pool, fence=Fence(await _running_run(pool, claim=2), 1))

    for operation in (
        stale.adelete_thread(thread_id),
        stale.acopy_thread(thread_id, "copy"),
        stale.aprune([thread_id]),
        stale.aprune([thread_id], strategy="delete"),
        stale.adelete_for_runs(["any"]),
    ):
        with pytest.raises(StaleClaim):
            await operation

    assert await _row_count(pool) == 2


async def test_a_stale_claim_still_reads(pool: Pool) -> None:
    config = await put_one(RunwireSaver(pool), new_thread(), a=1)

    stale = RunwireSaver(pool, fence=Fence(await _running_run(pool, claim=2), 1))

    assert await stale.aget_tuple(config) is not None


async def test_a_graph_that_was_taken_over_stops_with_stale_claim(pool: Pool) -> None:
    run_id = await _running_run(pool)
    config = new_thread()
    saver = RunwireSaver(pool, fence=Fence(run_id, 1))
    await chat_graph(saver).ainvoke(question(), config)
    before = await _row_count(pool)
    await pool.execute(TAKE_OVER, run_id)

    with pytest.raises(StaleClaim):
        await chat_graph(saver).ainvoke(question("once more"), config)

    assert await _row_count(pool) == before


async def test_a_write_waits_for_a_takeover_under_way_and_then_writes_nothing(pool: Pool) -> None:
    run_id = await _running_run(pool)
    saver = RunwireSaver(pool, fence=Fence(run_id, 1))

    async def write_is_waiting() -> bool:
        return await _blocked_backends(pool) == 1

    async with pool.acquire() as other:
        takeover = other.transaction()
        await takeover.start()
        await other.execute(TAKE_OVER, run_id)
        write = asyncio.create_task(put_one(saver, new_thread(), big=[1]))
        await _until(write_is_waiting)
        await takeover.commit()

    with pytest.raises(StaleClaim):
        await write
    assert await _row_count(pool) == 0


async def test_a_takeover_that_is_rolled_back_lets_the_waiting_write_through(pool: Pool) -> None:
    run_id = await _running_run(pool)
    saver = RunwireSaver(pool, fence=Fence(run_id, 1))

    async def write_is_waiting() -> bool:
        return await _blocked_backends(pool) == 1

    async with pool.acquire() as other:
        takeover = other.transaction()
        await takeover.start()
        await other.execute(TAKE_OVER, run_id)
        write = asyncio.create_task(put_one(saver, new_thread(), big=[1]))
        await _until(write_is_waiting)
        await takeover.rollback()

    await write
    assert await _row_count(pool) == 2


async def test_no_write_is_seen_after_a_takeover_that_was_not_there_at_it(pool: Pool) -> None:
    run_id = await _running_run(pool)
    saver = RunwireSaver(pool, fence=Fence(run_id, 1))

    async def write_until_stale() -> None:
        for number in range(10_000):
            await put_one(saver, new_thread(), big=[number])

    writers = [asyncio.create_task(write_until_stale()) for _ in range(4)]

    async def some_are_written() -> bool:
        return await _row_count(pool) > 50

    await _until(some_are_written)
    await pool.execute(TAKE_OVER, run_id)
    seen = await _row_count(pool)
    outcomes = await asyncio.gather(*writers, return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [StaleClaim] * 4
    assert await _row_count(pool) == seen
