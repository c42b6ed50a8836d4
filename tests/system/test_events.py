"""What streams deliver: which events, in which order, whenever the reader comes."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Sequence

import pytest

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.stream.v1 import stream_pb2
from tests.harness.platform import MODES, Platform, kinds, new_thread

_PAYLOADS = {
    "values": {"values"},
    "updates": {"update"},
    "messages": {"message"},
    "custom": {"custom"},
    "tasks": {"task_started", "task_finished"},
    "checkpoints": {"checkpoint"},
    "debug": {"debug"},
}
_JOINS = int(os.environ.get("RUNWIRE_TEST_JOINS", "250"))


def _order(event_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event_id.split("-"))


def assert_complete(events: Sequence[stream_pb2.RunEvent]) -> None:
    """`started` first, `finished` last, ids strictly growing, nothing missing."""
    assert kinds(events)[0] == "started"
    assert kinds(events)[-1] == "finished"
    assert "gap" not in kinds(events)
    ids = [_order(event.event_id) for event in events]
    assert ids == sorted(set(ids))


async def test_the_first_event_is_started_and_the_last_is_finished(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0}, thread=new_thread(), modes=["updates"])
    events = await platform.events(run.run_id)
    assert_complete(events)
    assert events[0].started.attempt == 1
    assert events[0].started.graph_id == "steps"
    assert all((e.run_id, e.thread_id) == (run.run_id, run.thread_id) for e in events)


async def test_a_reader_after_the_end_sees_what_a_live_reader_saw(platform: Platform) -> None:
    run = await platform.create("tokens", {"tokens": 50, "delay": 0.002}, modes=["custom", "values"])
    live = await platform.events(run.run_id)
    assert await platform.events(run.run_id) == live


async def test_a_reader_resumes_after_any_event(platform: Platform) -> None:
    run = await platform.create("tokens", {"tokens": 20}, modes=["custom"])
    events = await platform.events(run.run_id)
    for number in (0, 1, 7, len(events) - 2):
        assert await platform.events(run.run_id, after=events[number].event_id) == events[number + 1 :]


async def test_a_reader_that_has_the_last_event_gets_nothing_more(platform: Platform) -> None:
    run = await platform.create("echo", {"text": "a"})
    events = await platform.events(run.run_id)
    assert await platform.events(run.run_id, after=events[-1].event_id) == []


@pytest.mark.parametrize("mode", sorted(_PAYLOADS))
async def test_each_mode_gives_its_events_and_none_unasked(platform: Platform, mode: str) -> None:
    graph, value = ("chat", {"messages": [["user", "one two"]]}) if mode == "messages" else ("tokens", {"tokens": 3})
    run = await platform.create(graph, value, modes=[mode])
    found = set(kinds(await platform.events(run.run_id)))
    assert found - {"started", "finished"} == _PAYLOADS[mode]


async def test_all_modes_at_once(platform: Platform) -> None:
    run = await platform.create("chat", {"messages": [["user", "one two"]]}, modes=list(MODES))
    events = await platform.events(run.run_id)
    assert_complete(events)
    assert set(kinds(events)) == {"started", "finished"}.union(*_PAYLOADS.values()) - {"custom"}


async def test_a_run_without_modes_gives_values(platform: Platform) -> None:
    run = await platform.create("echo", {"text": "a"})
    assert set(kinds(await platform.events(run.run_id))) == {"started", "values", "finished"}


async def test_a_reader_asks_for_some_of_the_modes(platform: Platform) -> None:
    run = await platform.create("tokens", {"tokens": 3}, modes=["custom", "values", "updates"])
    events = await platform.events(run.run_id, stream_modes=[MODES["updates"]])
    assert set(kinds(events)) == {"started", "update", "finished"}


async def test_tokens_join_to_the_text_and_only_the_first_bears_metadata(platform: Platform) -> None:
    run = await platform.create("chat", {"messages": [["user", "one two three"]]}, modes=["messages"])
    chunks = [e.message for e in await platform.events(run.run_id) if e.WhichOneof("payload") == "message"]
    tokens = [chunk for chunk in chunks if not chunk.complete]
    assert "".join(chunk.delta for chunk in tokens) == "one two three "
    assert len({chunk.message_id for chunk in tokens}) == 1
    assert tokens[0].message_type == "ai"
    assert json.loads(tokens[0].metadata.text)["langgraph_node"] == "answer"
    assert not any(chunk.HasField("metadata") or chunk.message_type for chunk in tokens[1:])


async def test_values_follow_each_step(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0})
    values = [json.loads(e.values.values.text) for e in await platform.events(run.run_id) if e.HasField("values")]
    assert [value["count"] for value in values] == [0, 1, 2, 3, 4, 5, 6]


async def test_updates_name_their_nodes(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0}, modes=["updates"])
    updates = [e.update for e in await platform.events(run.run_id) if e.HasField("update")]
    assert [update.node for update in updates] == [f"step{number}" for number in range(6)]
    assert json.loads(updates[0].update.text) == {"count": 1, "applied": ["step0"]}


async def test_tasks_begin_and_end(platform: Platform) -> None:
    run = await platform.create("failing", {"text": "x"}, modes=["tasks"])
    events = {kind: event for event in await platform.events(run.run_id) for kind in kinds([event])}
    assert events["task_started"].task_started.node == "fail"
    assert "no x" in events["task_finished"].task_finished.error
    assert events["task_started"].task_started.task_id == events["task_finished"].task_finished.task_id


async def test_checkpoints_form_a_chain(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0}, thread=new_thread(), modes=["checkpoints"])
    chain = [e.checkpoint for e in await platform.events(run.run_id) if e.HasField("checkpoint")]
    assert not chain[0].HasField("parent")
    assert [c.parent.checkpoint_id for c in chain[1:]] == [c.ref.checkpoint_id for c in chain[:-1]]
    assert list(chain[-1].next) == []
    assert len(chain) == 8


async def test_many_readers_see_the_same(platform: Platform) -> None:
    run = await platform.create("tokens", {"tokens": 200, "delay": 0.001}, modes=["custom"])
    seen = await asyncio.gather(*(platform.events(run.run_id) for _ in range(20)))
    assert_complete(seen[0])
    assert len(seen[0]) == 202
    assert all(events == seen[0] for events in seen)


async def test_a_run_without_an_event_log_is_live_only(platform: Platform) -> None:
    off = runs_pb2.EVENT_LOG_OFF
    run = await platform.create("tokens", {"tokens": 100, "delay": 0.005}, modes=["custom"], event_log=off)
    live = await platform.events(run.run_id)
    assert kinds(live)[-1] == "finished"
    numbers = [json.loads(e.custom.data.text)["token"] for e in live if e.HasField("custom")]
    assert numbers == list(range(100 - len(numbers), 100))
    assert await platform.pool.fetchval("SELECT count(*) FROM run_events WHERE run_id = $1", run.run_id) == 0
    assert kinds(await platform.events(run.run_id)) == ["gap", "finished"]


async def test_one_big_event_arrives_whole(platform: Platform) -> None:
    run = await platform.create("big", {"custom": 12_000_000}, modes=["custom"])
    for events in (await platform.events(run.run_id), await platform.events(run.run_id)):
        assert_complete(events)
        assert len(json.loads(events[1].custom.data.text)["blob"]) == 12_000_000


async def test_readers_that_join_at_any_moment_miss_nothing(platform: Platform) -> None:
    """Fast runs and readers that join, and leave and resume, at random moments."""
    rounds = range(max(1, _JOINS // 50))
    for number in rounds:
        await _join_often(platform, random.Random(number), readers=min(50, _JOINS))


async def _join_often(platform: Platform, dice: random.Random, *, readers: int) -> None:
    tokens, delay = (400, 0.0) if dice.random() < 0.7 else (100, 0.002)
    expected = [None, *range(tokens), None]
    value = {"tokens": tokens, "delay": delay}
    runs = [await platform.create("tokens", value, modes=["custom"]) for _ in range(2)]

    async def join(run_id: str, pause: float, leave_after: int) -> None:
        await asyncio.sleep(pause)
        seen: list[stream_pb2.RunEvent] = []
        following = platform.follow(run_id)
        async for event in following:
            seen.append(event)
            if len(seen) == leave_after:
                break
        await following.aclose()  # type: ignore[attr-defined]
        if kinds(seen)[-1:] != ["finished"]:
            seen += await platform.events(run_id, after=seen[-1].event_id)
        assert_complete(seen)
        told = [json.loads(e.custom.data.text)["token"] if e.HasField("custom") else None for e in seen]
        assert told == expected

    await asyncio.gather(
        *(join(dice.choice(runs).run_id, dice.random() * 0.6, dice.choice([0, 1, 3, 50, 99])) for _ in range(readers))
    )


async def test_an_idle_stream_has_heartbeats(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 60})
    asked = stream_pb2.StreamRunRequest(run_id=run.run_id)
    asked.heartbeat_interval.FromSeconds(1)
    beats = 0
    async with asyncio.timeout(15):
        async for response in platform.stream.StreamRun(asked):
            beats += sum(event.HasField("heartbeat") for event in response.events)
            if beats == 2:
                await platform.cancel(run.run_id)
    assert beats >= 2
