"""Workflows of the functional API: any value goes in and comes out, and a thread keeps it for the next call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runwire.api.dispatch.v1 import thread_state_pb2
from runwire.api.resource.v1 import assistants_pb2, threads_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import MODES, Platform, kinds, new_thread, output, resume, status


async def held(platform: Platform, thread: str) -> Any:
    """What the thread shows; it is the state at its head."""
    values = json.loads((await platform.thread(thread)).values.text)
    assert json.loads((await platform.state(thread)).values.text) == values
    return values


@pytest.mark.parametrize("value", [0, 2.5, "text", True, [1, [2]], {"a": {"b": None}}, []])
async def test_a_function_returns_any_value(platform: Platform, value: Any) -> None:
    thread = new_thread()
    done = await platform.run("whatever", value, thread=thread)
    assert (status(done), output(done), await held(platform, thread)) == ("success", value, value)


async def test_a_call_knows_what_the_one_before_it_on_the_thread_returned(platform: Platform) -> None:
    thread = new_thread()
    assert [output(await platform.run("count", {}, thread=thread)) for _ in range(3)] == [1, 2, 3]
    assert output(await platform.run("count", {})) == 1


async def test_a_paused_function_has_returned_nothing(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.create("count", {"question": "go on?"}, thread=thread, modes=["values"])
    paused = await platform.finish(run.run_id)
    assert (status(paused), output(paused), await held(platform, thread)) == ("interrupted", None, None)
    assert [json.loads(i.value.text) for i in paused.interrupts] == [{"question": "go on?"}]
    assert kinds(await platform.events(run.run_id)) == ["started", "interrupted", "finished"]


@pytest.mark.parametrize("resumed", [False, True])
async def test_a_pause_leaves_a_thread_what_its_last_call_returned(platform: Platform, resumed: bool) -> None:
    thread = new_thread()
    await platform.run("count", {}, thread=thread)
    paused = await platform.run("count", {"question": "go on?"}, thread=thread)
    if resumed:
        # Without an answer it pauses again.
        paused = await platform.run("count", thread=thread)
    assert (status(paused), output(paused), await held(platform, thread)) == ("interrupted", None, 1)
    done = await platform.run("count", thread=thread, command=resume("yes"))
    assert (status(done), output(done), await held(platform, thread)) == ("success", 2, 2)


async def test_tasks_before_a_pause_are_not_done_again(platform: Platform, journal: Path) -> None:
    thread = new_thread()
    await platform.run("count", {"question": "go on?", "journal": str(journal)}, thread=thread)
    assert journal.read_text().split() == ["first"]
    await platform.run("count", thread=thread, command=resume("yes"))
    assert journal.read_text().split() == ["first", "second"]


@pytest.mark.parametrize("mode", sorted(set(MODES) - {"messages", "custom"}))
async def test_each_mode_shows_a_function_and_its_tasks(platform: Platform, mode: str) -> None:
    run = await platform.create("count", {}, thread=new_thread(), modes=[mode])
    events = (await platform.events(run.run_id))[1:-1]
    shown = {
        "values": [json.loads(e.values.values.text) for e in events if e.HasField("values")],
        "updates": [(e.update.node, json.loads(e.update.update.text)) for e in events if e.HasField("update")],
        "tasks": [e.task_finished.node for e in events if e.HasField("task_finished")],
        "checkpoints": [json.loads(e.checkpoint.values.text) for e in events if e.HasField("checkpoint")],
        "debug": [e.debug.type for e in events if e.HasField("debug")],
    }
    expected: dict[str, list[Any]] = {
        "values": [1],
        "updates": [("_note", "first"), ("_note", "second"), ("count", 1)],
        "tasks": ["_note", "_note", "count"],
        "checkpoints": [None, 1],
        "debug": ["checkpoint", "task", "task", "task_result", "task", "task_result", "task_result", "checkpoint"],
    }
    assert {name: found for name, found in shown.items() if found} == {mode: expected[mode]}


async def test_what_a_thread_keeps_can_be_updated(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("count", {}, thread=thread)
    written = thread_state_pb2.StateUpdate(values=Json(text="41"), as_node="count")
    asked = thread_state_pb2.UpdateThreadStateRequest(thread_id=thread, updates=[written])
    await platform.thread_state.UpdateThreadState(asked)
    assert await held(platform, thread) == 41
    assert output(await platform.run("count", {}, thread=thread)) == 42


async def test_the_schemas_of_a_function_are_those_of_its_signature(platform: Platform) -> None:
    asked = assistants_pb2.GetAssistantSchemasRequest(assistant_id="count")
    schemas = (await platform.assistants.GetAssistantSchemas(asked)).schemas
    assert json.loads(schemas.input.text)["$defs"]["Work"]["properties"].keys() == {"journal", "question", "gate"}
    assert json.loads(schemas.output.text)["type"] == "integer"
    assert json.loads(schemas.state.text)["type"] == "integer"


async def test_a_paused_function_makes_its_thread_wait(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("count", {"question": "?"}, thread=thread)
    found = await platform.thread(thread)
    assert found.status == threads_pb2.THREAD_STATUS_INTERRUPTED
    assert [json.loads(i.value.text) for i in found.interrupts] == [{"question": "?"}]
