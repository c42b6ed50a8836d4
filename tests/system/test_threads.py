"""Threads: one run at a time, in order, and what is left on them."""

from __future__ import annotations

import asyncio
import json

import grpc
import pytest

from runwire.api.resource.v1 import threads_pb2
from runwire.api.type.v1 import run_pb2
from runwire.core.ids import new_uuid
from tests.harness.platform import Platform, new_thread, output, request, status
from tests.harness.refused import refused


async def test_the_runs_of_a_thread_run_in_order_and_never_two_at_once(platform: Platform) -> None:
    thread = new_thread()
    runs = [await platform.create("queue", {"number": number}, thread=thread) for number in range(20)]
    ended = await asyncio.gather(*(platform.finish(run.run_id) for run in runs))
    assert {status(run) for run in ended} == {"success"}
    assert output(ended[-1])["began"] == list(range(20))
    assert output(ended[-1])["overlap"] == 0
    starts = [run.run.start_time.ToNanoseconds() for run in ended]
    ends = [run.run.finish_time.ToNanoseconds() for run in ended]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


async def test_runs_created_at_once_on_one_thread_all_run(platform: Platform) -> None:
    thread = new_thread()
    runs = await asyncio.gather(*(platform.create("queue", {"number": number}, thread=thread) for number in range(20)))
    ended = await asyncio.gather(*(platform.finish(run.run_id) for run in runs))
    assert {status(run) for run in ended} == {"success"}
    state = json.loads((await platform.thread(thread)).values.text)
    assert (sorted(state["began"]), state["overlap"]) == (list(range(20)), 0)


async def test_runs_of_many_threads_do_not_wait_for_one_another(platform: Platform) -> None:
    slow = await platform.create("slow", {"delay": 60}, thread=new_thread())
    await platform.run("echo", {"text": "a"}, thread=new_thread())
    assert status(await platform.get(slow.run_id)) == "running"
    await platform.cancel(slow.run_id)
    await platform.finish(slow.run_id)


async def test_a_failed_run_does_not_stop_the_queue(platform: Platform) -> None:
    thread = new_thread()
    failing = await platform.create("failing", {"text": "x"}, thread=thread)
    after = await platform.create("echo", {"text": "a"}, thread=thread)
    assert status(await platform.finish(failing.run_id)) == "error"
    assert status(await platform.finish(after.run_id)) == "success"


async def test_a_busy_thread_rejects_a_run_that_asks_for_it(platform: Platform) -> None:
    thread = new_thread()
    first = await platform.create("slow", {"delay": 60}, thread=thread)
    strategy = run_pb2.MULTITASK_STRATEGY_REJECT
    again = await refused(platform.create("echo", {"text": "a"}, thread=thread, multitask_strategy=strategy))
    assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "THREAD_BUSY")
    assert (await platform.thread(thread)).status == threads_pb2.THREAD_STATUS_BUSY
    await platform.cancel(first.run_id)
    await platform.finish(first.run_id)
    done = await platform.run("echo", {"text": "a"}, thread=thread, multitask_strategy=strategy)
    assert status(done) == "success"


async def test_the_same_run_is_created_once(platform: Platform) -> None:
    asked = request("steps", {"count": 0}, thread=new_thread(), run_id=str(new_uuid()))
    made = await asyncio.gather(*(platform.runs.CreateRun(asked) for _ in range(10)))
    assert {response.run.run_id for response in made} == {asked.run_id}
    assert output(await platform.finish(asked.run_id))["count"] == 6
    assert status((await platform.runs.CreateRun(asked)).run) == "success"
    count = "SELECT count(*) FROM runs WHERE thread_id = $1"
    assert await platform.pool.fetchval(count, asked.thread_id) == 1


async def test_an_id_of_another_run_is_refused(platform: Platform) -> None:
    run = await platform.create("echo", {"text": "a"})
    again = await refused(platform.create("echo", {"text": "b"}, run_id=run.run_id))
    assert (again.code, again.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")


async def test_a_thread_keeps_the_values_of_its_last_run(platform: Platform) -> None:
    thread_id = new_thread()
    await platform.run("steps", {"count": 0}, thread=thread_id)
    await platform.run("steps", {"count": 100}, thread=thread_id)
    thread = await platform.thread(thread_id)
    assert json.loads(thread.values.text)["count"] == 112
    assert (thread.status, thread.graph_id) == (threads_pb2.THREAD_STATUS_IDLE, "steps")


async def test_the_state_of_a_finished_thread_is_read_at_its_head(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.run("steps", {"count": 0}, thread=thread)
    state = await platform.state(thread)
    assert json.loads(state.values.text) == output(run)
    assert (list(state.next), list(state.tasks), list(state.interrupts)) == ([], [], [])
    assert json.loads(state.metadata.text)["run_id"] == run.run.run_id
    assert state.checkpoint.checkpoint_id
    assert state.parent_checkpoint.checkpoint_id
    assert state.HasField("create_time")


async def test_states_are_read_while_all_slots_are_busy(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("echo", {"text": "a"}, thread=thread)
    slots = platform.settings.slots
    busy = await asyncio.gather(*(platform.create("slow", {"delay": 60}) for _ in range(slots)))
    await asyncio.gather(*(platform.reached(run.run_id, "started") for run in busy))
    assert json.loads((await platform.state(thread)).values.text) == {"text": "echo: a"}
    await asyncio.gather(*(platform.cancel(run.run_id) for run in busy))
    await asyncio.gather(*(platform.finish(run.run_id) for run in busy))


async def test_a_thread_that_never_ran_has_no_state(platform: Platform) -> None:
    thread = (await platform.threads.CreateThread(threads_pb2.CreateThreadRequest())).thread
    none = await refused(platform.state(thread.thread_id))
    assert none.reason == "THREAD_HAS_NO_GRAPH"


async def test_a_run_with_an_unknown_thread_is_refused(platform: Platform) -> None:
    asked = request("echo", {"text": "a"}, thread=new_thread(), if_thread_missing="IF_THREAD_MISSING_REJECT")
    assert (await refused(platform.runs.CreateRun(asked))).reason == "THREAD_NOT_FOUND"


async def test_deleting_a_thread_ends_what_runs_on_it(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread)
    await platform.reached(run.run_id, "started")
    await platform.threads.DeleteThread(threads_pb2.DeleteThreadRequest(thread_id=thread))
    assert (await refused(platform.get(run.run_id))).reason == "RUN_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError):
        await platform.thread(thread)
