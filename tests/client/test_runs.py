"""The asyncio client against a running platform."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from runwire.client import Client, RunFailed, connect, errors, events, results
from tests.client.conftest import LONG
from tests.harness.platform import new_thread


async def test_wait_returns_the_output(client: Client) -> None:
    assert await client.runs.wait(None, "echo", input={"text": "hello"}) == {"text": "echo: hello"}


async def test_a_created_run_has_the_id_that_the_caller_chose_and_creating_it_again_is_the_same(client: Client) -> None:
    run_id = new_thread()
    for _ in range(2):
        run = await client.runs.create(None, "echo", input={"text": "a"}, run_id=run_id, metadata={"m": 1})
        assert (run.run_id, run.graph_id, run.metadata["m"]) == (run_id, "echo", 1)
        assert abs(datetime.now(UTC) - run.create_time) < timedelta(minutes=1)


async def test_a_failed_run_raises_with_the_run(client: Client) -> None:
    with pytest.raises(RunFailed, match="RefusedError: no way") as caught:
        await client.runs.wait(None, "failing", input={"text": "way"})
    assert caught.value.run.error == results.RunError("RefusedError", "no way")


async def test_a_failed_run_has_no_output_if_errors_are_not_wanted(client: Client) -> None:
    assert await client.runs.wait(None, "failing", input={"text": "way"}, raise_error=False) is None


async def test_join_tells_how_a_run_ended(client: Client) -> None:
    run = await client.runs.create(None, "failing", input={})
    outcome = await client.runs.join(run.run_id)
    assert (outcome.run.status, outcome.output) == ("error", None)


async def test_join_gives_up_at_its_time_out_and_the_run_goes_on(client: Client) -> None:
    run = await client.runs.create(None, "tokens", input=LONG)
    with pytest.raises(errors.DeadlineExceeded):
        await client.runs.join(run.run_id, timeout=0.2)
    assert (await client.runs.cancel(run.run_id, wait=True)).status == "cancelled"


async def test_a_stream_begins_with_started_and_ends_with_finished(client: Client) -> None:
    stream = client.runs.stream(
        None, "chat", input={"messages": [{"role": "user", "content": "one two"}]}, stream_mode="messages"
    )
    seen = [event async for event in stream]
    assert isinstance(seen[0], events.Started)
    assert isinstance(seen[-1], events.Finished)
    assert seen[-1].status == "success"
    assert "".join(each.delta for each in seen if isinstance(each, events.MessageChunk)) == "one two "
    assert all(each.event_time.tzinfo for each in seen)


async def test_a_run_is_joined_after_its_end_and_from_any_event(client: Client) -> None:
    run = await client.runs.create(None, "tokens", input={"tokens": 5}, stream_mode=["custom"])
    await client.runs.join(run.run_id)
    everything = [event async for event in client.runs.join_stream(run.run_id)]
    assert [event.data["token"] for event in everything if isinstance(event, events.Custom)] == [0, 1, 2, 3, 4]
    later = [event async for event in client.runs.join_stream(run.run_id, last_event_id=everything[2].event_id)]
    assert later == everything[3:]


async def test_heartbeats_are_hidden_unless_they_are_asked_for(client: Client) -> None:
    run = await client.runs.create(None, "tokens", input=LONG, stream_mode="updates")
    async with aclosing(client.runs.join_stream(run.run_id, heartbeats=True, heartbeat_interval=1)) as stream:
        seen = [await anext(stream) for _ in range(2)]
    assert [type(event) for event in seen] == [events.Started, events.Heartbeat]
    async with aclosing(client.runs.join_stream(run.run_id, heartbeat_interval=1)) as stream:
        await anext(stream)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stream), 1.5)
    await client.runs.cancel(run.run_id, wait=True)


async def test_a_paused_graph_is_answered(client: Client) -> None:
    thread = await client.threads.create()
    first = await client.runs.create(thread.thread_id, "gate", input={"question": "sure?"})
    outcome = await client.runs.join(first.run_id)
    assert outcome.run.status == "interrupted"
    assert outcome.interrupts[0].value == {"question": "sure?"}
    output = await client.runs.wait(thread.thread_id, "gate", command={"resume": "yes"})
    assert output["log"] == ["asked", "closed with yes"]


async def test_runs_are_listed_page_by_page_or_as_a_list(client: Client) -> None:
    thread = await client.threads.create()
    ids = [(await client.runs.create(thread.thread_id, "tokens", input=LONG)).run_id for _ in range(3)]
    listing = client.runs.list(thread.thread_id, status=["pending", "running"], sort_order="ascending")
    listing._page_size = 1
    assert [run.run_id async for run in listing] == ids
    assert [run.run_id for run in await client.runs.list(thread.thread_id, limit=2)] == ids[:0:-1]
    for run_id in reversed(ids):
        assert (await client.runs.cancel(run_id, wait=True)).status == "cancelled"


async def test_a_time_out_of_a_call_ends_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with connect(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.1) as client:
            with pytest.raises(errors.DeadlineExceeded):
                await client.runs.get(new_thread())


async def test_a_busy_thread_refuses_another_run_if_asked_to(client: Client) -> None:
    thread = await client.threads.create()
    run = await client.runs.create(thread.thread_id, "tokens", input=LONG)
    with pytest.raises(errors.FailedPrecondition) as caught:
        await client.runs.create(thread.thread_id, "tokens", input=LONG, multitask_strategy="reject")
    assert caught.value.reason == "THREAD_BUSY"
    await client.runs.cancel(run.run_id, wait=True)
