"""Every kind of graph and node runs."""

from __future__ import annotations

import json

import pytest

from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import Platform, kinds, new_thread, output, status


async def test_a_compiled_graph_runs(platform: Platform) -> None:
    assert output(await platform.run("echo", {"text": "hi"})) == {"text": "echo: hi"}


async def test_a_state_graph_is_compiled_and_runs(platform: Platform) -> None:
    assert output(await platform.run("steps", {"count": 0}))["count"] == 6


@pytest.mark.parametrize(
    ("graph", "text"),
    [
        ("made", "hi!"),
        ("factory_without_config", "hi from a factory"),
        ("async_factory", "hi from a coroutine"),
        ("managed_factory", "hi from a context manager"),
    ],
)
async def test_a_factory_makes_the_graph(platform: Platform, graph: str, text: str) -> None:
    assert output(await platform.run(graph, {"text": "hi"})) == {"text": text}


async def test_a_factory_sees_the_config(platform: Platform) -> None:
    config = run_pb2.RunConfig(configurable=Json(text='{"suffix":"?"}'))
    assert output(await platform.run("made", {"text": "hi"}, config=config)) == {"text": "hi?"}


async def test_a_synchronous_node_runs_in_a_thread(platform: Platform) -> None:
    assert output(await platform.run("thread", {"count": 0, "delay": 0.01}))["count"] == 1


async def test_sends_fan_out(platform: Platform) -> None:
    squares = output(await platform.run("fan_out", {"numbers": list(range(20))}))["squares"]
    assert sorted(squares) == [number**2 for number in range(20)]


async def test_a_node_goes_to_a_subgraph_by_command(platform: Platform) -> None:
    assert output(await platform.run("nested", {"text": "hi"}))["text"] == "OUTER(HI)"


async def test_events_of_a_subgraph_bear_its_namespace(platform: Platform) -> None:
    run = await platform.create("nested", {"text": "hi"}, modes=["updates"], stream_subgraphs=True)
    updates = [event for event in await platform.events(run.run_id) if event.WhichOneof("payload") == "update"]
    assert [(len(event.namespace), event.update.node) for event in updates] == [
        (0, "outer"),
        (1, "shout"),
        (0, "inner"),
    ]
    assert updates[1].namespace[0].startswith("inner:")


async def test_without_subgraphs_only_the_graph_itself_speaks(platform: Platform) -> None:
    run = await platform.create("nested", {"text": "hi"}, modes=["updates"])
    assert all(not event.namespace for event in await platform.events(run.run_id))


async def test_context_configurable_and_tags_reach_the_nodes(platform: Platform) -> None:
    run = await platform.run(
        "surroundings",
        {},
        context=Json(text='{"language":"Greek","limits":{"a":1}}'),
        config=run_pb2.RunConfig(tags=["blue"]),
        metadata=Json(text='{"purpose":"test"}'),
    )
    seen = output(run)["seen"]
    assert seen["context"] == {"language": "Greek", "limits": {"a": 1}}
    assert "blue" in seen["tags"]
    assert seen["metadata"] == {"run_id": run.run.run_id, "purpose": "test"}
    assert seen["configurable"]["run_id"] == run.run.run_id
    assert seen["configurable"]["graph_id"] == "surroundings"


async def test_configurable_reaches_the_nodes_with_the_thread(platform: Platform) -> None:
    thread = new_thread()
    config = run_pb2.RunConfig(configurable=Json(text='{"colour":"red"}'))
    seen = output(await platform.run("surroundings", {}, thread=thread, config=config))["seen"]
    assert (seen["configurable"]["colour"], seen["configurable"]["thread_id"]) == ("red", thread)


async def test_the_store_is_shared_by_all_threads(platform: Platform) -> None:
    text = f"text of {new_thread()}"
    await platform.run("memory", {"text": text}, thread=new_thread())
    assert output(await platform.run("memory", {"text": "other"}, thread=new_thread()))["text"] == f"before: {text}"


async def test_a_run_without_input_goes_on_from_the_threads_head(platform: Platform) -> None:
    thread = new_thread()
    breakpoints = run_pb2.Breakpoints(nodes=["step3"])
    paused = await platform.run("steps", {"count": 0}, thread=thread, interrupt_before=breakpoints)
    assert status(paused) == "interrupted"
    assert output(await platform.run("steps", thread=thread))["applied"] == [f"step{n}" for n in range(6)]


async def test_a_run_without_input_and_thread_ends(platform: Platform) -> None:
    run = await platform.create("steps")
    assert kinds(await platform.events(run.run_id))[-1] == "finished"


@pytest.mark.parametrize("durability", ["DURABILITY_SYNC", "DURABILITY_ASYNC", "DURABILITY_EXIT"])
async def test_every_durability_leaves_the_final_state(platform: Platform, durability: str) -> None:
    thread = new_thread()
    run = await platform.run("steps", {"count": 0}, thread=thread, durability=durability)
    assert output(run)["count"] == 6
    at_head, stored = (await platform.state(thread)).values.text, (await platform.thread(thread)).values.text
    assert json.loads(at_head) == json.loads(stored) == output(run)


async def test_durability_exit_writes_one_checkpoint(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("steps", {"count": 0}, thread=thread, durability="DURABILITY_EXIT")
    count = "SELECT count(*) FROM checkpoints WHERE thread_id = $1"
    assert await platform.pool.fetchval(count, thread) == 1
