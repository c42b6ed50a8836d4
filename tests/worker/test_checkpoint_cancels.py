"""What a cancelled task leaves behind, and what becomes of its graph afterwards."""

from __future__ import annotations

import asyncio
import operator
from contextlib import suppress
from typing import Annotated, TypedDict

from langgraph.graph import START, StateGraph

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from tests.harness.waiting import until
from tests.worker.checkpoint_graphs import new_thread


class Visits(TypedDict, total=False):
    """Where a graph has been."""

    visited: Annotated[list[str], operator.add]


async def test_a_task_that_was_cancelled_before_it_said_where_to_go_runs_again(pool: Pool) -> None:
    thinking, thought = asyncio.Event(), asyncio.Event()

    async def where(_: Visits) -> str:
        thinking.set()
        await thought.wait()
        return "there"

    builder = StateGraph(Visits)
    builder.add_node("here", lambda _: {"visited": ["here"]}).add_node("there", lambda _: {"visited": ["there"]})
    builder.add_edge(START, "here").add_conditional_edges("here", where, ["there"])
    graph, config = builder.compile(checkpointer=RunwireSaver(pool)), new_thread()

    async def run() -> None:
        # With this mode, each task is an asyncio task of its own.
        async for _ in graph.astream({"visited": []}, config, stream_mode="custom"):
            pass

    running = asyncio.create_task(run())
    await thinking.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    cancelled = "SELECT EXISTS (SELECT FROM checkpoint_writes WHERE channel = '__error__')"
    await until(lambda: pool.fetchval(cancelled))

    thought.set()
    assert (await graph.ainvoke(None, config))["visited"] == ["here", "there"]
