"""What Commands write, in the saver alone."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.channels import EphemeralValue, LastValue
from langgraph.checkpoint.serde.types import RESUME

from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.command_writes import COMMAND_TASK
from tests.worker.checkpoint_graphs import new_thread, put_one

NOTHING = ("__no_writes__", None)


async def _writes(saver: Any, config: RunnableConfig) -> list[tuple[str, Any]]:
    found = await saver.aget_tuple(config)
    assert found is not None
    return [write[1:] for write in found.pending_writes]


async def test_what_is_to_be_replaced_is_not_shown_until_something_is_written(pool: Pool) -> None:
    saver = RunwireSaver(pool)
    saver.channels = {"text": LastValue(str)}
    config = await put_one(saver, new_thread(), a=1)
    await saver.aput_writes(config, [("text", "a")], COMMAND_TASK)

    saver.replaced.add("text")
    # LangGraph makes one for a graph's own types.
    clone = saver.with_allowlist({("some.module", "Name")})
    assert await _writes(clone, config) == [NOTHING]
    await clone.aput_writes(config, [NOTHING, ("text", "b")], COMMAND_TASK)

    assert await _writes(saver, config) == [NOTHING, ("text", "b")]


async def test_what_came_with_an_answer_keeps_its_place_when_it_comes_again(pool: Pool) -> None:
    saver = RunwireSaver(pool)
    config = await put_one(saver, new_thread(), a=1)

    await saver.aput_writes(config, [(RESUME, "yes"), ("log", "a")], COMMAND_TASK)
    await saver.aput_writes(config, [("log", "a"), ("log", "b")], COMMAND_TASK)

    assert await _writes(saver, config) == [(RESUME, "yes"), ("log", "a"), ("log", "b")]


async def test_only_commands_at_the_outermost_graph_replace(pool: Pool) -> None:
    saver = RunwireSaver(pool)
    saver.channels = {"text": LastValue(str), "one": EphemeralValue(str), "any": EphemeralValue(str, guard=False)}
    writes = [(name, value) for value in "ab" for name in ("text", "one", "any", "unknown")]
    config = await put_one(saver, new_thread(), a=1)
    below = await put_one(saver, {"configurable": {**new_thread()["configurable"], "checkpoint_ns": "below"}}, a=1)

    for task, place in ((COMMAND_TASK, config), ("task", config), (COMMAND_TASK, below)):
        await saver.aput_writes(place, writes, task)

    assert await _writes(saver, config) == [NOTHING, NOTHING, *writes[2:], *writes]
    assert await _writes(saver, below) == writes
