"""Who may call a saver: threads beside the loop, clones, and callers during an outage of Postgres."""

from __future__ import annotations

import asyncio
import copy
import threading

import asyncpg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.fence import StorageUnavailable
from tests.worker.checkpoint_graphs import chat_graph, delta_graph, new_thread, put_one, question

KILL_OTHERS = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def test_a_synchronous_graph_runs_in_a_thread_while_the_loop_serves_it(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()

    await asyncio.to_thread(chat_graph(saver).invoke, question(), config)
    values = await asyncio.to_thread(chat_graph(saver).invoke, Command(resume="yes"), config)

    history = await asyncio.to_thread(lambda: list(chat_graph(saver).get_state_history(config)))
    assert values["verdict"].word == "yes"
    assert len(history) == 5


async def test_every_synchronous_method_does_what_its_asynchronous_twin_does(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    thread_id = config["configurable"]["thread_id"]
    await asyncio.to_thread(delta_graph(saver).invoke, {"log": ["a"], "left": 3}, config)

    def work() -> list[int]:
        counts = [len(list(saver.list(config)))]
        saver.copy_thread(thread_id, "copy")
        counts.append(len(list(saver.list({"configurable": {"thread_id": "copy"}}))))
        saver.prune(["copy"], strategy="delete")
        counts.append(len(list(saver.list({"configurable": {"thread_id": "copy"}}))))
        saver.delete_for_runs(["none"])
        saver.delete_thread(thread_id)
        counts.append(len(list(saver.list(None))))
        return counts

    assert await asyncio.to_thread(work) == [5, 5, 0, 0]


async def test_many_threads_use_one_saver_at_once(pool: Pool) -> None:
    saver = RunwireSaver(pool)
    configs = [new_thread() for _ in range(20)]
    start = threading.Barrier(4)

    def work(mine: list[RunnableConfig]) -> None:
        start.wait(10)
        for config in mine:
            chat_graph(saver).invoke(question(), config)

    await asyncio.gather(*(asyncio.to_thread(work, configs[n::4]) for n in range(4)))

    assert all([(await chat_graph(saver).aget_state(config)).next == ("approve",) for config in configs])


async def test_a_synchronous_call_in_the_loops_own_thread_is_refused(
    pool: Pool,
) -> None:
    with pytest.raises(RuntimeError, match="own thread"):
        RunwireSaver(pool).get_tuple(new_thread())


async def test_a_synchronous_call_after_the_loop_has_ended_says_so(database_uri: str) -> None:
    async def make() -> RunwireSaver:
        async with asyncpg.create_pool(database_uri, min_size=1) as pool:
            return RunwireSaver(pool)

    saver = await asyncio.to_thread(asyncio.run, make())

    with pytest.raises(RuntimeError, match="not running"):
        await asyncio.to_thread(saver.get_tuple, new_thread())


async def test_copies_and_clones_with_an_allow_list_write_to_the_same_tables(pool: Pool) -> None:
    saver = RunwireSaver(pool)
    config = await put_one(copy.copy(saver), new_thread(), a=[1])

    clone = saver.with_allowlist({("some.module", "Name")})

    assert clone is not saver
    for other in (saver, clone, copy.copy(clone)):
        found = await other.aget_tuple(config)
        assert found is not None
        assert found.checkpoint["channel_values"] == {"a": [1]}


async def test_graphs_survive_their_connections_being_killed(database_uri: str) -> None:
    configs = [new_thread() for _ in range(8)]
    done = asyncio.Event()

    async def kill() -> int:
        killed = 0
        connection = await asyncpg.connect(database_uri)
        waiter = asyncio.create_task(done.wait())
        while not done.is_set():
            killed += await connection.fetchval(KILL_OTHERS)
            await asyncio.wait([waiter], timeout=0.3)
        await connection.close()
        return killed

    async with asyncpg.create_pool(database_uri, min_size=1, server_settings={"jit": "off"}) as pool:
        # Statements that a busy machine makes slow are killed again and again.
        saver = RunwireSaver(pool, retry_for=60)
        killer = asyncio.create_task(kill())
        try:
            await asyncio.gather(
                *(delta_graph(saver).ainvoke({"log": ["start"], "left": 12}, config) for config in configs)
            )
        finally:
            done.set()
            killed = await killer
        logs = [(await delta_graph(saver).aget_state(config)).values["log"] for config in configs]

    assert killed >= 5
    assert logs == [["start", *(f"at {number}" for number in range(12, 0, -1))]] * 8


async def test_an_outage_longer_than_the_limit_is_raised(database_uri: str) -> None:
    async with asyncpg.create_pool(database_uri, min_size=0, max_size=1) as pool:
        saver = RunwireSaver(pool, retry_for=0.3, acquire_timeout=0.1)
        async with pool.acquire():
            with pytest.raises(StorageUnavailable):
                await saver.aget_tuple(new_thread())
