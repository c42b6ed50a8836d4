"""Pruning, copying and removing checkpoints, delta channels included."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.types import Command

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from tests.worker.checkpoint_graphs import chat_graph, delta_graph, new_thread, put_one, question

UNREFERENCED = """
SELECT count(*) FROM checkpoint_blobs AS b WHERE NOT EXISTS (
    SELECT FROM checkpoints AS c
    WHERE c.thread_id = b.thread_id AND c.checkpoint_ns = b.checkpoint_ns
        AND c.checkpoint -> 'channel_versions' ->> b.channel = b.version
)
"""
CALLED_FROM = """
UPDATE checkpoints SET metadata = jsonb_build_object('parents', jsonb_build_object('', $2::text))
WHERE checkpoint_id = $1
"""
DANGLING = """
SELECT count(*) FROM checkpoints AS c WHERE parent_checkpoint_id IS NOT NULL AND NOT EXISTS (
    SELECT FROM checkpoints AS p
    WHERE p.thread_id = c.thread_id AND p.checkpoint_ns = c.checkpoint_ns
        AND p.checkpoint_id = c.parent_checkpoint_id
)
"""


def _id(config: RunnableConfig) -> str:
    return str(config["configurable"]["thread_id"])


async def _count(saver: RunwireSaver, config: RunnableConfig) -> int:
    return len([found async for found in saver.alist(config)])


async def _log(saver: RunwireSaver, config: RunnableConfig) -> Any:
    return (await delta_graph(saver).aget_state(config)).values["log"]


@pytest.mark.parametrize("steps", range(1, 10))
async def test_pruning_keeps_a_delta_channel_whole(pool: Pool, steps: int) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await delta_graph(saver).ainvoke({"log": ["start"], "left": steps}, config)
    before = await _log(saver, config)

    await saver.aprune([_id(config)])

    assert await _log(saver, config) == before
    assert await _count(saver, config) <= 5
    assert await pool.fetchval(UNREFERENCED) == 0
    assert await pool.fetchval(DANGLING) == 0
    after = await delta_graph(saver).ainvoke({"log": ["more"], "left": 1}, config)
    assert after["log"] == [*before, "more", "at 1"]


async def test_pruning_twice_changes_nothing_more(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await delta_graph(saver).ainvoke({"log": ["start"], "left": 6}, config)
    await saver.aprune([_id(config)])
    kept = [found async for found in saver.alist(config)]

    await saver.aprune([_id(config)])

    assert [found async for found in saver.alist(config)] == kept


async def test_pruning_keeps_one_checkpoint_without_delta_channels_and_the_graph_goes_on(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await chat_graph(saver).ainvoke(question(), config)
    before = await chat_graph(saver).aget_state(config)

    await saver.aprune([_id(config)])

    after = await chat_graph(saver).aget_state(config)
    assert await _count(saver, config) == 1
    assert (after.values, after.interrupts) == (before.values, before.interrupts)
    assert await pool.fetchval(UNREFERENCED) == 0
    assert (await chat_graph(saver).ainvoke(Command(resume="yes"), config))["verdict"].word == "yes"


async def test_pruning_removes_past_subgraph_calls_and_keeps_the_current_one(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    old_root = await put_one(saver, config, a=1)
    new_root = await put_one(saver, config, a=2)
    for namespace, root in (("sub:old", old_root), ("sub:new", new_root)):
        at: RunnableConfig = {"configurable": {"thread_id": _id(config), "checkpoint_ns": namespace}}
        child = await put_one(saver, at, b=[namespace])
        await pool.execute(
            CALLED_FROM,
            child["configurable"]["checkpoint_id"],
            root["configurable"]["checkpoint_id"],
        )

    await saver.aprune([_id(config)])

    namespaces = [found.config["configurable"]["checkpoint_ns"] async for found in saver.alist(config)]
    assert sorted(namespaces) == ["", "sub:new"]
    assert await pool.fetchval(UNREFERENCED) == 0


async def test_a_javascript_thread_with_delta_channels_is_not_pruned(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    for number in range(3):
        await put_one(saver, config, a=number)
    await pool.execute("""UPDATE checkpoints SET metadata = metadata || '{"delta_writes_versioned": true}'""")

    await saver.aprune([_id(config)])

    assert await _count(saver, config) == 3


async def test_an_unknown_strategy_is_refused(pool: Pool) -> None:
    with pytest.raises(ValueError, match="keep_latest or delete"):
        await RunwireSaver(pool).aprune(["t"], strategy="some")


async def test_a_copied_thread_has_its_delta_channels_and_lives_on_its_own(pool: Pool) -> None:
    saver, config, copy = RunwireSaver(pool), new_thread(), new_thread()
    await delta_graph(saver).ainvoke({"log": ["start"], "left": 6}, config)
    before = await _log(saver, config)

    await saver.acopy_thread(_id(config), _id(copy))
    await saver.adelete_thread(_id(config))

    assert await _log(saver, copy) == before
    assert (await delta_graph(saver).ainvoke({"log": [], "left": 1}, copy))["log"] == [*before, "at 1"]
    assert await _count(saver, config) == 0


async def _run(saver: RunwireSaver, config: RunnableConfig, word: str, left: int) -> str:
    run_id = str(uuid4())
    await delta_graph(saver).ainvoke({"log": [word], "left": left}, {**config, "metadata": {"run_id": run_id}})
    return run_id


async def test_removing_the_last_run_restores_the_thread(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await _run(saver, config, "first", 2)
    before = [found async for found in saver.alist(config)]
    second = await _run(saver, config, "second", 3)

    await saver.adelete_for_runs([second])

    assert [found async for found in saver.alist(config)] == before
    assert await pool.fetchval(UNREFERENCED) == 0
    assert await _log(saver, config) == ["first", "at 2", "at 1"]


@pytest.mark.parametrize("left", range(1, 7))
async def test_removing_an_earlier_run_leaves_later_delta_channels_whole(pool: Pool, left: int) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    first = await _run(saver, config, "first", left)
    await _run(saver, config, "second", 1)
    before = await _log(saver, config)

    await saver.adelete_for_runs([first])

    assert await _log(saver, config) == before
    assert await pool.fetchval(DANGLING) == 0
    assert await pool.fetchval(UNREFERENCED) == 0


async def test_writes_saved_before_their_checkpoint_survive_upkeep(pool: Pool) -> None:
    saver, config = RunwireSaver(pool), new_thread()
    await put_one(saver, config, a=1)
    early: RunnableConfig = {"configurable": {"thread_id": _id(config), "checkpoint_ns": "", "checkpoint_id": "~"}}
    await saver.aput_writes(early, [("a", 2)], "task")

    await saver.aprune([_id(config)])

    assert await pool.fetchval("SELECT count(*) FROM checkpoint_writes") == 1
