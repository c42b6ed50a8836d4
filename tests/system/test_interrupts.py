"""Graphs that pause, and Commands that make them go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runwire.api.resource.v1 import threads_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import Platform, kinds, new_thread, output, resume, status


async def test_an_interrupted_run_says_what_it_waits_for(platform: Platform) -> None:
    paused = await platform.run("gate", {"question": "why?"}, thread=new_thread())
    assert status(paused) == "interrupted"
    assert [json.loads(i.value.text) for i in paused.interrupts] == [{"question": "why?"}]
    assert paused.interrupts[0].interrupt_id


async def test_the_interrupt_is_an_event_before_the_end(platform: Platform) -> None:
    run = await platform.create("gate", {"question": "why?"}, thread=new_thread())
    events = await platform.events(run.run_id)
    assert kinds(events)[-2:] == ["interrupted", "finished"]
    assert json.loads(events[-2].interrupted.interrupts[0].value.text) == {"question": "why?"}
    assert events[-1].finished.status == run_pb2.RUN_STATUS_INTERRUPTED


async def test_a_command_answers_the_interrupt(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "why?"}, thread=thread)
    done = await platform.run("gate", thread=thread, command=resume("because"))
    assert output(done)["log"] == ["asked", "closed with because"]
    assert (await platform.thread(thread)).status == threads_pb2.THREAD_STATUS_IDLE


@pytest.mark.parametrize("answer", [False, 0, "", {"a": [1]}, []])
async def test_any_json_value_is_an_answer(platform: Platform, answer: Any) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "?"}, thread=thread)
    done = await platform.run("gate", thread=thread, command=resume(answer))
    assert status(done) == "success", done
    assert output(done)["answer"] == str(answer)


async def test_two_interrupts_at_once_are_answered_by_their_ids(platform: Platform) -> None:
    thread = new_thread()
    paused = await platform.run("gates", {}, thread=thread)
    gates = {json.loads(i.value.text)["gate"]: i.interrupt_id for i in paused.interrupts}
    assert gates.keys() == {"left", "right"}
    done = await platform.run("gates", thread=thread, command=resume({gates["right"]: "R", gates["left"]: "L"}))
    assert output(done)["answers"] == ["left: L", "right: R"]


async def test_one_of_two_interrupts_stays_open_when_only_one_is_answered(platform: Platform) -> None:
    thread = new_thread()
    paused = await platform.run("gates", {}, thread=thread)
    gates = {json.loads(i.value.text)["gate"]: i.interrupt_id for i in paused.interrupts}
    still = await platform.run("gates", thread=thread, command=resume({gates["left"]: "L"}))
    assert [i.interrupt_id for i in still.interrupts] == [gates["right"]]
    done = await platform.run("gates", thread=thread, command=resume({gates["right"]: "R"}))
    assert output(done)["answers"] == ["left: L", "right: R"]


async def test_an_interrupt_in_a_subgraph_is_answered(platform: Platform) -> None:
    thread = new_thread()
    paused = await platform.run("nested_gate", {"text": "well"}, thread=thread)
    assert [json.loads(i.value.text) for i in paused.interrupts] == ["inside"]
    assert output(await platform.run("nested_gate", thread=thread, command=resume("done")))["text"] == "well done"


async def test_an_interrupt_in_a_subgraph_pauses_a_run_that_streams_subgraphs(platform: Platform) -> None:
    fields = {"modes": ["values", "updates"], "stream_subgraphs": True}
    paused = await platform.run("nested_gate", {"text": "well"}, thread=new_thread(), **fields)
    assert status(paused) == "interrupted"
    assert [json.loads(i.value.text) for i in paused.interrupts] == ["inside"]


async def test_an_interrupt_says_in_which_subgraph_it_happened_and_what_an_answer_looks_like(
    platform: Platform,
) -> None:
    thread_id = new_thread()
    run = await platform.create("nested_gate", {"text": "well"}, thread=thread_id)
    (told,) = (await platform.events(run.run_id))[-2].interrupted.interrupts
    assert [name.split(":")[0] for name in told.namespace] == ["inner"]
    (waited,) = (await platform.finish(run.run_id)).interrupts
    (stored,) = (await platform.thread(thread_id)).interrupts
    (read,) = (await platform.state(thread_id, subgraphs=True)).interrupts
    for each in (told, waited, stored, read):
        assert (each.interrupt_id, each.namespace) == (told.interrupt_id, told.namespace)
        assert json.loads(each.response_schema.text) == {"type": "string"}


async def test_an_interrupt_of_the_graph_itself_has_no_namespace_and_no_schema_unless_it_gave_one(
    platform: Platform,
) -> None:
    (asked,) = (await platform.run("gate", {"question": "why?"}, thread=new_thread())).interrupts
    assert (list(asked.namespace), asked.HasField("response_schema")) == ([], False)


async def test_a_breakpoint_before_a_node_pauses_there(platform: Platform) -> None:
    thread = new_thread()
    at = run_pb2.Breakpoints(nodes=["step2"])
    paused = await platform.run("steps", {"count": 0}, thread=thread, interrupt_before=at)
    assert (status(paused), list(paused.interrupts)) == ("interrupted", [])
    assert list((await platform.state(thread)).next) == ["step2"]


async def test_a_breakpoint_after_a_node_pauses_there(platform: Platform) -> None:
    thread = new_thread()
    at = run_pb2.Breakpoints(nodes=["step2"])
    paused = await platform.run("steps", {"count": 0}, thread=thread, interrupt_after=at)
    assert status(paused) == "interrupted"
    assert list((await platform.state(thread)).next) == ["step3"]


async def test_breakpoints_before_all_nodes_pause_at_each(platform: Platform) -> None:
    thread = new_thread()
    at = run_pb2.Breakpoints(all_nodes=True)
    await platform.run("steps", {"count": 0}, thread=thread, interrupt_before=at)
    for node in ("step1", "step2"):
        assert status(await platform.run("steps", thread=thread, interrupt_before=at)) == "interrupted"
        assert list((await platform.state(thread)).next) == [node]


async def test_a_command_updates_the_state_and_goes_on(platform: Platform) -> None:
    thread = new_thread()
    at = run_pb2.Breakpoints(nodes=["second"])
    await platform.run("route", {}, thread=thread, interrupt_before=at)
    command = run_pb2.Command(update=Json(text='{"visited":["client"]}'), goto=[run_pb2.Goto(node="aside")])
    visited = output(await platform.run("route", thread=thread, command=command))["visited"]
    assert visited[:2] == ["first", "client"]
    assert "aside" in visited


async def test_a_goto_with_input_sends_it_to_the_node(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("route", {}, thread=thread)
    command = run_pb2.Command(goto=[run_pb2.Goto(node="aside", input=Json(text='{"visited":["sent"]}'))])
    assert output(await platform.run("route", thread=thread, command=command))["visited"] == [
        "first",
        "second",
        "aside",
    ]


async def test_an_interrupted_thread_shows_its_interrupts_at_its_head(platform: Platform) -> None:
    thread = new_thread()
    paused = await platform.run("gate", {"question": "why?"}, thread=thread)
    state = await platform.state(thread)
    assert list(state.next) == ["ask"]
    assert [i.interrupt_id for i in state.interrupts] == [paused.interrupts[0].interrupt_id]
    assert json.loads(state.tasks[0].interrupts[0].value.text) == {"question": "why?"}


async def test_an_interrupted_thread_is_told_without_its_graph(platform: Platform) -> None:
    thread_id = new_thread()
    await platform.run("gate", {"question": "why?"}, thread=thread_id)
    thread = await platform.thread(thread_id)
    assert thread.status == threads_pb2.THREAD_STATUS_INTERRUPTED
    assert [json.loads(i.value.text) for i in thread.interrupts] == [{"question": "why?"}]
