"""Runwire and langgraph-checkpoint-postgres on one database: each goes on where the other stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.types import Command

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from tests.worker.checkpoint_graphs import (
    MIGRATIONS,
    chat_graph,
    delta_graph,
    new_thread,
    put_one,
    question,
)

Savers = dict[str, BaseCheckpointSaver[str]]
BOTH_WAYS = pytest.mark.parametrize(("writer", "reader"), [("theirs", "ours"), ("ours", "theirs")])


@pytest.fixture
async def savers(pool: Pool, database_uri: str) -> AsyncIterator[Savers]:
    async with AsyncExitStack() as stack:
        theirs = await stack.enter_async_context(AsyncPostgresSaver.from_conn_string(database_uri))
        yield {"ours": RunwireSaver(pool), "theirs": theirs}


async def _all(saver: BaseCheckpointSaver[str], config: Any, **more: Any) -> list[Any]:
    return [found async for found in saver.alist(config, **more)]


@BOTH_WAYS
async def test_every_checkpoint_of_a_thread_reads_the_same(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await chat_graph(savers[writer]).ainvoke(question(), config)

    assert await _all(savers[reader], config) == await _all(savers[writer], config)
    assert len(await _all(savers[reader], config)) == 4
    assert await savers[reader].aget_tuple(config) == await savers[writer].aget_tuple(config)


@BOTH_WAYS
async def test_an_interrupted_graph_goes_on_with_the_other_saver(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await chat_graph(savers[writer]).ainvoke(question(), config)

    values = await chat_graph(savers[reader]).ainvoke(Command(resume="yes"), config)

    assert [message.id for message in values["messages"]] == ["question", "draft", "verdict"]
    assert sorted(values["notes"]) == ["note 0", "note 1", "note 2"]
    assert values["verdict"].word == "yes"
    assert (await chat_graph(savers[writer]).aget_state(config)).values == values


@BOTH_WAYS
async def test_the_state_history_reads_the_same(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await chat_graph(savers[writer]).ainvoke(question(), config)
    await chat_graph(savers[writer]).ainvoke(Command(resume="no"), config)

    written = [state async for state in chat_graph(savers[writer]).aget_state_history(config)]
    read = [state async for state in chat_graph(savers[reader]).aget_state_history(config)]

    assert len(read) == 5
    assert read == written


@BOTH_WAYS
async def test_filters_and_limits_pick_the_same_checkpoints(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await chat_graph(savers[writer]).ainvoke(question(), config)
    newest = (await _all(savers[writer], config, limit=1))[0]

    for more in ({"filter": {"source": "loop"}}, {"limit": 2}, {"before": newest.config, "limit": 1}):
        picked = await _all(savers[reader], config, **more)
        assert picked == await _all(savers[writer], config, **more)
        assert picked


@BOTH_WAYS
async def test_a_delta_channel_goes_on_with_the_other_saver(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await delta_graph(savers[writer]).ainvoke({"log": ["start"], "left": 6}, config)

    values = await delta_graph(savers[reader]).ainvoke({"log": ["again"], "left": 3}, config)

    assert values["log"] == [
        "start",
        *(f"at {n}" for n in (6, 5, 4, 3, 2, 1)),
        "again",
        "at 3",
        "at 2",
        "at 1",
    ]
    assert (await delta_graph(savers[writer]).aget_state(config)).values == values


@BOTH_WAYS
async def test_the_delta_history_reads_the_same_at_every_checkpoint(savers: Savers, writer: str, reader: str) -> None:
    config = new_thread()
    await delta_graph(savers[writer]).ainvoke({"log": ["start"], "left": 9}, config)

    for found in await _all(savers[writer], config):
        channels = ["log", "left", "no_such_channel"]
        read = await savers[reader].aget_delta_channel_history(config=found.config, channels=channels)
        assert read == await savers[writer].aget_delta_channel_history(config=found.config, channels=channels)


@BOTH_WAYS
@pytest.mark.parametrize(
    "value",
    [None, True, 7, 1.5, "text", "", 2**70, [1, {"a": None}], b"\x00\x01", "y" * 5000],
    ids=lambda value: repr(value)[:20],
)
async def test_a_value_reads_the_same(savers: Savers, writer: str, reader: str, value: object) -> None:
    config = await put_one(savers[writer], new_thread(), channel=value)

    found = await savers[reader].aget_tuple(config)

    assert found is not None
    assert found.checkpoint["channel_values"] == {"channel": value}


@pytest.mark.parametrize("value", ["nul \x00 inside", "lone \ud800 half", 1e22, -0.0, float("inf")], ids=repr)
async def test_a_value_that_jsonb_would_change_is_kept(savers: Savers, value: object) -> None:
    config = await put_one(savers["ours"], new_thread(), channel=value)

    for name in ("ours", "theirs"):
        found = await savers[name].aget_tuple(config)
        assert found is not None
        kept = found.checkpoint["channel_values"]["channel"]
        assert (type(kept), str(kept)) == (type(value), str(value).replace("\ud800", "?"))


async def test_a_text_stored_inline_by_the_other_saver_survives_unchanged_versions(savers: Savers) -> None:
    config = await put_one(savers["theirs"], new_thread(), text="z" * 5000)
    found = await savers["theirs"].aget_tuple(config)
    assert found is not None

    later = {**found.checkpoint, "id": "~later"}
    await savers["ours"].aput(config, later, {"source": "loop", "step": 1, "parents": {}}, {})  # type: ignore[arg-type]

    read = await savers["theirs"].aget_tuple({"configurable": {**config["configurable"], "checkpoint_id": "~later"}})
    assert read is not None
    assert read.checkpoint["channel_values"] == {"text": "z" * 5000}


async def test_sends_of_an_old_checkpoint_move_to_its_tasks_channel(savers: Savers) -> None:
    parent = await put_one(savers["theirs"], new_thread(), a=1)
    await savers["theirs"].aput_writes(parent, [("__pregel_tasks", "first"), ("__pregel_tasks", "second")], "task")
    config = await put_one(savers["theirs"], parent, a=2)

    ours = await savers["ours"].aget_tuple(config)
    theirs = await savers["theirs"].aget_tuple(config)

    assert ours == theirs
    assert ours is not None
    assert ours.checkpoint["channel_values"]["__pregel_tasks"] == ["first", "second"]
    assert await _all(savers["ours"], parent | {}) == await _all(savers["theirs"], parent | {})


def test_their_set_up_finds_nothing_to_do(database_uri: str) -> None:
    with PostgresSaver.from_conn_string(database_uri) as saver:
        saver.setup()
        saver.setup()


async def test_our_migration_accepts_a_database_of_theirs(database_uri: str) -> None:
    config = await _adopted(database_uri, new_thread())
    async with asyncpg.create_pool(database_uri, min_size=1) as pool:
        found = await RunwireSaver(pool).aget_tuple(config)
    assert found is not None
    assert found.checkpoint["channel_values"] == {"kept": [1, 2]}
    assert [write[1:] for write in found.pending_writes or ()] == [("more", 3)]


async def test_a_thread_of_theirs_whose_id_has_a_slash_is_no_tenants(database_uri: str) -> None:
    config = await _adopted(database_uri, {"configurable": {"thread_id": "acme/1", "checkpoint_ns": ""}})
    async with asyncpg.create_pool(database_uri, min_size=1) as pool:
        assert [found async for found in RunwireSaver(pool, keys=ThreadKeys("acme")).alist(None)] == []
        found = await RunwireSaver(pool).aget_tuple(config)
    assert found is not None
    assert (found.config, found.checkpoint["channel_values"]) == (config, {"kept": [1, 2]})
    assert [write[1:] for write in found.pending_writes or ()] == [("more", 3)]


async def _adopted(database_uri: str, config: RunnableConfig) -> RunnableConfig:
    """A checkpoint, a blob and a write of a database of theirs that has become ours."""
    connection = await asyncpg.connect(database_uri)
    try:
        await connection.execute("DROP TABLE checkpoints, checkpoint_blobs, checkpoint_writes, checkpoint_migrations")
        async with AsyncPostgresSaver.from_conn_string(database_uri) as theirs:
            await theirs.setup()
            config = await put_one(theirs, config, kept=[1, 2])
            await theirs.aput_writes(config, [("more", 3)], "task")
        await connection.execute(next(MIGRATIONS.glob("*_up_checkpoint_tables.sql")).read_text())
    finally:
        await connection.close()
    return config
