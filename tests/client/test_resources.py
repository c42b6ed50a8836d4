"""Threads, states and assistants through the asyncio client."""

from __future__ import annotations

import pytest

from runwire.client import Client, errors
from runwire.client.results import RunError
from tests.harness.platform import new_thread


async def test_a_thread_is_created_found_and_deleted(client: Client) -> None:
    mark = new_thread()
    thread = await client.threads.create(metadata={"mark": mark})
    assert (thread.status, thread.values, thread.ttl) == ("idle", None, None)
    assert await client.threads.get(thread.thread_id) == thread
    assert [each.thread_id async for each in client.threads.search(metadata={"mark": mark})] == [thread.thread_id]
    await client.threads.delete(thread.thread_id)
    with pytest.raises(errors.NotFound):
        await client.threads.get(thread.thread_id)


async def test_creating_a_thread_again_keeps_it_if_asked_to(client: Client) -> None:
    thread = await client.threads.create(metadata={"a": 1})
    kept = await client.threads.create(thread_id=thread.thread_id, metadata={"b": 2}, if_exists="keep")
    assert kept.metadata == {"a": 1}
    with pytest.raises(errors.AlreadyExists):
        await client.threads.create(thread_id=thread.thread_id, metadata={"b": 2})


async def test_a_thread_shows_the_values_of_its_last_run(client: Client) -> None:
    thread = await client.threads.create()
    await client.runs.wait(thread.thread_id, "echo", input={"text": "a"})
    found = await client.threads.get(thread.thread_id)
    assert (found.values, found.graph_id) == ({"text": "echo: a"}, "echo")
    await client.runs.wait(thread.thread_id, "failing", input={"text": "b"}, raise_error=False)
    assert (await client.threads.get(thread.thread_id, view="basic")).error == RunError("RefusedError", "no b")


async def test_the_state_of_a_thread_is_read_by_a_worker(client: Client) -> None:
    thread = await client.threads.create()
    await client.runs.wait(thread.thread_id, "gate", input={"question": "q"})
    state = await client.threads.get_state(thread.thread_id)
    assert (state.next, state.values["question"]) == (("ask",), "q")
    assert state.interrupts[0].value == {"question": "q"}
    assert state.tasks[0].node == "ask"
    assert state.checkpoint is not None


async def test_a_graph_has_a_default_assistant(client: Client) -> None:
    assistant = await client.assistants.get("echo")
    assert (assistant.graph_id, assistant.is_default, assistant.version) == ("echo", True, 1)
    assert assistant.assistant_id in [each.assistant_id async for each in client.assistants.search(graph_id="echo")]
