"""How runs end when they do not end well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runwire.api.resource.v1 import threads_pb2
from runwire.api.type.v1 import run_pb2
from tests.harness.platform import Platform, kinds, new_thread, output, resume, status


async def test_a_failing_node_ends_the_run_in_error(platform: Platform) -> None:
    failed = await platform.run("failing", {"text": "way"})
    assert status(failed) == "error"
    assert (failed.run.error.type, failed.run.error.message) == ("RefusedError", "no way")
    assert not failed.HasField("output")
    assert failed.run.attempts == 1


async def test_the_last_event_of_a_failed_run_says_why(platform: Platform) -> None:
    run = await platform.create("failing", {"text": "way"})
    last = (await platform.events(run.run_id))[-1]
    assert last.finished.status == run_pb2.RUN_STATUS_ERROR
    assert (last.finished.error.type, last.finished.error.message) == ("RefusedError", "no way")


async def test_a_failed_run_leaves_its_thread_in_error_until_one_succeeds(platform: Platform) -> None:
    thread_id = new_thread()
    await platform.run("failing", {"text": "way"}, thread=thread_id)
    thread = await platform.thread(thread_id)
    assert thread.status == threads_pb2.THREAD_STATUS_ERROR
    assert (thread.error.type, thread.error.message) == ("RefusedError", "no way")
    await platform.run("echo", {"text": "hi"}, thread=thread_id)
    thread = await platform.thread(thread_id)
    assert (thread.status, thread.HasField("error")) == (threads_pb2.THREAD_STATUS_IDLE, False)


async def test_a_failed_run_keeps_what_was_done_before(platform: Platform) -> None:
    thread_id = new_thread()
    await platform.run("fails", {"how": "os"}, thread=thread_id)
    assert json.loads((await platform.thread(thread_id)).values.text)["count"] == 1


async def test_the_recursion_limit_ends_the_run_in_error(platform: Platform) -> None:
    failed = await platform.run("endless", {"count": 0}, config=run_pb2.RunConfig(recursion_limit=7))
    assert (status(failed), failed.run.error.type) == ("error", "GraphRecursionError")


async def test_the_time_limit_ends_the_run_in_timeout(platform: Platform) -> None:
    thread_id = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread_id, seconds=1)
    ended = await platform.finish(run.run_id)
    assert (status(ended), ended.run.error.type) == ("timeout", "RunTimeout")
    last = (await platform.events(run.run_id))[-1]
    assert last.finished.status == run_pb2.RUN_STATUS_TIMEOUT
    assert (await platform.thread(thread_id)).status == threads_pb2.THREAD_STATUS_ERROR


@pytest.mark.parametrize(
    ("how", "error"),
    [("timeout", "TimeoutError"), ("cancelled", "NodeCancelledError"), ("os", "ConnectionError"), ("odd", "TidyError")],
)
async def test_whatever_the_users_code_raises_is_an_error(platform: Platform, how: str, error: str) -> None:
    failed = await platform.run("fails", {"how": how})
    assert (status(failed), failed.run.error.type, failed.run.attempts) == ("error", error, 1)


async def test_a_long_error_text_is_cut(platform: Platform) -> None:
    failed = await platform.run("fails", {"how": "long"})
    assert failed.run.error.message == "x" * 8192


async def test_an_input_that_the_graph_refuses_is_an_error(platform: Platform) -> None:
    failed = await platform.run("echo", [1, 2, 3])
    assert status(failed) == "error"


async def test_a_resume_without_an_interrupt_ends(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("echo", {"text": "a"}, thread=thread)
    ended = await platform.run("echo", thread=thread, command=resume("x"))
    assert status(ended) in ("success", "error")


async def test_a_goto_to_an_unknown_node_ends(platform: Platform) -> None:
    command = run_pb2.Command(goto=[run_pb2.Goto(node="nowhere")])
    ended = await platform.run("route", thread=new_thread(), command=command)
    assert status(ended) in ("success", "error")


async def test_a_synchronous_node_holds_a_timed_out_run_until_it_has_ended(platform: Platform, journal: Path) -> None:
    run = await platform.create("thread", {"delay": 1.8, "journal": str(journal)}, seconds=1)
    ended = await platform.finish(run.run_id)
    assert status(ended) == "timeout"
    assert journal.read_text().split() == ["began", "ended"]


async def test_a_run_without_a_thread_keeps_its_output_but_not_its_state(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0})
    assert output(await platform.finish(run.run_id))["count"] == 6
    assert run.thread_id == ""
    count = "SELECT count(*) FROM checkpoints WHERE starts_with(thread_id, $1)"
    assert await platform.pool.fetchval(count, run.run_id) == 0
    assert kinds(await platform.events(run.run_id))[-1] == "finished"


async def test_a_run_without_a_thread_that_is_to_be_kept_gets_one(platform: Platform) -> None:
    run = await platform.create("steps", {"count": 0}, on_completion="ON_COMPLETION_KEEP")
    await platform.finish(run.run_id)
    assert run.thread_id
    assert json.loads((await platform.state(run.thread_id)).values.text)["count"] == 6
