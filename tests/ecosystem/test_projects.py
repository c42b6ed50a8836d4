"""LangGraph projects as their authors have them run on a worker, and come to what they come to without Runwire.

Each test plays one conversation twice: through the client, and on the same graph with LangGraph's own checkpointer and
store in this process. The outputs, and what the graph asks in between, are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from langgraph.types import Command

from runwire.client import Client, events
from tests.ecosystem.direct import NAMES, Graph, comparable, config_of, loaded

# {"input": …} or {"resume": …}.
Step: TypeAlias = Any


def say(text: str) -> Step:
    """A message to a chat graph."""
    return {"input": {"messages": [{"role": "user", "content": text}]}}


async def served(client: Client, graph: str, steps: Sequence[Step], context: Any = None) -> list[Any]:
    """The output and the interrupts of each step, by way of Runwire."""
    thread, found = str(uuid4()), list[Any]()
    for step in steps:
        work: Any = {"command": {"resume": step["resume"]}} if "resume" in step else step
        run = await client.runs.create(thread, graph, if_not_exists="create", context=context, **work)
        outcome = await client.runs.join(run.run_id, timeout=60)
        assert outcome.run.error is None
        state = await client.threads.get_state(thread)
        assert state.values == (await client.threads.get(thread)).values
        found.append((comparable(outcome.output), [each.value for each in outcome.interrupts]))
    return found


async def direct(graph: Graph, steps: Sequence[Step], context: Any = None) -> list[Any]:
    """The same on a graph in this process."""
    config: Any = {"configurable": {"thread_id": str(uuid4())}}
    found = []
    for step in steps:
        work = Command(resume=step["resume"]) if "resume" in step else step["input"]
        output: Any = await graph.ainvoke(work, config, context=context)
        paused: Sequence[Any] = output.pop("__interrupt__", ()) if isinstance(output, dict) else ()
        # A function that pauses has nothing else to show.
        shown = None if paused and isinstance(graph.output_channels, str) else output
        found.append((comparable(shown), [each.value for each in paused]))
    return found


_WEATHER = [say("Oslo and Lagos? And remember me."), say("And Atlantis?"), say("Hello")]
_TRIP = [say("How warm is Lima?"), say("Then book Oslo")]
_OTHER_CITY = {"type": "edit", "edited_action": {"name": "book_flight", "args": {"city": "Lima"}}}
_MAIL: Step = {"input": {"request": "ada@example.com: hello there"}}
_ESSAY: Step = {"input": {"subject": "tides", "paragraphs": 3}}


def decide(decision: Mapping[str, str | object]) -> Step:
    """An answer in the words of langchain's middleware."""
    return {"resume": {"decisions": [decision]}}


def edit(**args: object) -> Step:
    """An answer that changes a mail."""
    return {"resume": {"type": "edit", "args": args}}


CONVERSATIONS: Mapping[str, tuple[str, str, Sequence[Step]]] = {
    "a ReAct agent calls tools, also in vain": ("react_agent", "agent", _WEATHER),
    "an agent's tool call is approved": ("react_agent", "guarded", [*_TRIP, decide({"type": "approve"})]),
    "an agent's tool call is edited": ("react_agent", "guarded", [*_TRIP, decide(_OTHER_CITY)]),
    "an agent's tool call is rejected": ("react_agent", "guarded", [*_TRIP, decide({"type": "reject"})]),
    "subgraphs have other schemas, one has a memory": (
        "subgraph",
        "newsroom",
        [{"input": {"subject": each}} for each in ("tides", "bees", "stones")],
    ),
    "branches come together in their order": ("map_reduce", "puns", [{"input": {"subjects": [*"abcdefgh", "b"]}}]),
    "a proposal is approved": ("approval", "mail", [_MAIL, {"resume": {"type": "approve"}}]),
    "a proposal is edited": ("approval", "mail", [_MAIL, edit(to="bo@example.com")]),
    "a wrong edit is asked again": ("approval", "mail", [_MAIL, edit(cc=1), {"resume": {"type": "reject"}}]),
    "memories are kept": ("memory", "companion", [say("I like tea."), say("I live in Oslo."), say("Hello")]),
    "a function returns a number": ("functional", "total", [{"input": 3}, {"input": -1}, {"input": 0}]),
    "a function's text is approved": ("functional", "essay", [_ESSAY, {"resume": {"approved": True}}, _ESSAY]),
    "a function's text is edited": ("functional", "essay", [_ESSAY, {"resume": {"approved": False, "text": "mine"}}]),
    "a function keeps other than it returns": ("functional", "journal", [{"input": "one"}, {"input": "two"}]),
}


@pytest.mark.parametrize("conversation", CONVERSATIONS)
async def test_a_project_comes_to_what_it_comes_to_without_runwire(client: Client, conversation: str) -> None:
    project, name, steps = CONVERSATIONS[conversation]
    context = {"user_id": str(uuid4())} if project == "memory" else None
    with loaded(project, name) as graph:
        expected = await direct(graph, steps, context)
    assert await served(client, name, steps, context) == expected


async def test_each_project_is_served_from_its_own_langgraph_json(client: Client) -> None:
    named = {graph for project in NAMES for graph in config_of(project)["graphs"]}
    assert {graph for worker in await client.workers.search() for graph in worker.graph_ids} == named
    assert len(await client.workers.search()) == len(NAMES) == 6
    assert {assistant.graph_id for assistant in await client.assistants.search()} == named


async def test_an_agents_tokens_and_tool_calls_are_streamed(client: Client) -> None:
    stream = client.runs.stream(None, "agent", stream_mode="messages", **say("Oslo?"))
    chunks = [event async for event in stream if isinstance(event, events.MessageChunk)]
    call, *_ = (chunk.chunk for chunk in chunks if chunk.chunk)
    assert call["tool_call_chunks"][0]["name"] == "temperature"
    tool = next(chunk for chunk in chunks if chunk.message_type == "tool")
    assert (tool.chunk["content"], tool.complete) == ("4 °C", True)
    answer = [chunk.delta for chunk in chunks if chunk.message_id == chunks[-1].message_id]
    assert [piece for piece in answer if piece] == ["So: ", "4 ", "°C."]


async def test_a_subgraphs_events_come_under_its_name(client: Client) -> None:
    stream = client.runs.stream(
        None, "newsroom", input={"subject": "tides"}, stream_mode=["updates", "custom"], stream_subgraphs=True
    )
    shown = [
        (event.namespace[0].partition(":")[0] if event.namespace else "", getattr(event, "node", "custom"))
        async for event in stream
        if isinstance(event, events.Update | events.Custom)
    ]
    assert shown == [
        ("research", "custom"),
        ("research", "look_up"),
        ("research", "rank"),
        ("", "research"),
        ("editor", "read"),
        ("editor", "revise"),
        ("", "editor"),
    ]


async def test_branches_are_shown_as_they_end_and_kept_in_their_order(client: Client) -> None:
    stream = client.runs.stream(None, "puns", input={"subjects": [*"abcd"]}, stream_mode=["updates", "values"])
    seen = [event async for event in stream]
    ended = [
        event.update["puns"][0]["subject"]
        for event in seen
        if isinstance(event, events.Update) and event.node == "write_pun"
    ]
    assert sorted(ended) == [*"abcd"]
    assert ended[-1] == "a"
    values = [event.values for event in seen if isinstance(event, events.Values)][-1]
    assert [pun["subject"] for pun in values["puns"]] == [*"abcd"]


async def test_a_pause_says_what_is_proposed_and_the_edit_is_what_is_sent(client: Client) -> None:
    thread = str(uuid4())
    stream = client.runs.stream(thread, "mail", if_not_exists="create", **_MAIL)
    paused = [event async for event in stream if isinstance(event, events.Interrupted)]
    [asked] = paused[0].interrupts
    assert asked.value["action"]["to"] == "ada@example.com"
    assert (await client.threads.get(thread)).status == "interrupted"
    answer = {asked.interrupt_id: {"type": "edit", "args": {"body": "good bye"}}}
    output = await client.runs.wait(thread, "mail", command={"resume": answer})
    assert output["outcome"] == "sent to ada@example.com: Hello / good bye"
    assert (await client.threads.get(thread)).status == "idle"


async def test_memories_last_from_thread_to_thread_and_callers_see_them(client: Client) -> None:
    somebody, other = ({"user_id": str(uuid4())} for _ in range(2))

    async def answer(text: str, who: Mapping[str, str]) -> str:
        output = await client.runs.wait(str(uuid4()), "companion", if_not_exists="create", context=who, **say(text))
        return str(output["messages"][-1]["content"])

    await answer("I like tea.", somebody)
    assert await answer("Hello", somebody) == "You told me: I like tea."
    assert await answer("Hello", other) == "We have not met."
    item = await client.store.get_item(("memories", somebody["user_id"]), "like")
    assert item.value == {"fact": "I like tea."}
    assert (await client.store.get_item(("visits",), somebody["user_id"])).value == {"count": 2}
    await client.store.put_item(("memories", other["user_id"]), "told", {"fact": "I am told."})
    assert await answer("Hello", other) == "You told me: I am told."


async def test_a_function_shows_its_tasks_and_pauses_in_the_middle(client: Client) -> None:
    thread = str(uuid4())
    stream = client.runs.stream(thread, "essay", if_not_exists="create", stream_mode=["updates", "custom"], **_ESSAY)
    seen = [event async for event in stream]
    assert sorted(event.data["written"] for event in seen if isinstance(event, events.Custom)) == [1, 2, 3]
    updates = [event.node for event in seen if isinstance(event, events.Update)]
    assert updates == ["write_paragraph", "write_paragraph", "write_paragraph", "join"]
    [paused] = [event for event in seen if isinstance(event, events.Interrupted)]
    assert paused.interrupts[0].value["draft"].startswith("1. About tides.\n2. ")
    assert seen[-1].status == "interrupted"  # type: ignore[attr-defined]
