"""Cancels: while running, while pending, before the first event, too late, and undoing."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from runwire.api.resource.v1 import threads_pb2
from runwire.api.type.v1 import run_pb2
from tests.harness.platform import Platform, kinds, new_thread, output, resume, status
from tests.harness.refused import refused
from tests.harness.waiting import until


async def test_a_running_run_is_cancelled_within_a_second(platform: Platform) -> None:
    thread_id = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread_id, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    began = time.monotonic()
    assert (await platform.cancel(run.run_id)).cancel_requested == run_pb2.CANCEL_ACTION_INTERRUPT
    ended = await platform.finish(run.run_id)
    assert time.monotonic() - began < 1
    assert status(ended) == "cancelled"
    assert ended.run.cancel_requested == run_pb2.CANCEL_ACTION_UNSPECIFIED
    assert (await platform.thread(thread_id)).status == threads_pb2.THREAD_STATUS_IDLE


async def test_a_run_is_cancelled_when_its_code_has_ended_and_no_sooner(platform: Platform, journal: Path) -> None:
    run = await platform.create("stubborn", {"delay": 1.0, "journal": str(journal)})
    await until(lambda: _noted(journal, "began"))
    await platform.cancel(run.run_id)
    assert status(await platform.finish(run.run_id)) == "cancelled"
    assert await _noted(journal, "ended")


async def _noted(journal: Path, line: str) -> bool:
    return line in journal.read_text().splitlines()


async def test_a_thread_goes_on_behind_a_node_that_was_cancelled_before_it_said_where(
    platform: Platform, journal: Path
) -> None:
    thread = new_thread()
    run = await platform.create("hesitant", {"delay": 2.0, "journal": str(journal)}, thread=thread, modes=["custom"])
    await until(lambda: _noted(journal, "hesitates"))
    await platform.cancel(run.run_id)
    assert status(await platform.finish(run.run_id)) == "cancelled"
    assert output(await platform.run("hesitant", thread=thread))["visited"] == ["here", "there"]


async def test_a_cancelled_run_keeps_what_it_has_done(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    await platform.cancel(run.run_id)
    await platform.finish(run.run_id)
    assert json.loads((await platform.state(thread)).values.text)["log"] == ["quick"]
    assert json.loads((await platform.thread(thread)).values.text)["log"] == ["quick"]


async def test_the_stream_of_a_cancelled_run_ends(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 60})
    following = asyncio.create_task(platform.events(run.run_id))
    await platform.reached(run.run_id, "started")
    await platform.cancel(run.run_id)
    events = await following
    assert events[-1].finished.status == run_pb2.RUN_STATUS_CANCELLED
    assert not events[-1].finished.rolled_back
    assert await platform.events(run.run_id) == events


async def test_a_pending_run_is_cancelled_at_once(platform: Platform) -> None:
    thread = new_thread()
    first = await platform.create("slow", {"delay": 60}, thread=thread)
    pending = await platform.create("echo", {"text": "a"}, thread=thread)
    third = await platform.create("echo", {"text": "b"}, thread=thread)
    assert status(await platform.cancel(pending.run_id)) == "cancelled"
    assert kinds(await platform.events(pending.run_id)) == ["finished"]
    await platform.cancel(first.run_id)
    assert status(await platform.finish(third.run_id)) == "success"
    assert (await platform.get(pending.run_id)).attempts == 0


async def test_the_stream_of_a_pending_run_ends_when_it_is_cancelled(platform: Platform) -> None:
    thread = new_thread()
    first = await platform.create("slow", {"delay": 60}, thread=thread)
    pending = await platform.create("echo", {"text": "a"}, thread=thread)
    following = asyncio.create_task(platform.events(pending.run_id))
    await platform.reached(first.run_id, "started")
    await platform.cancel(pending.run_id)
    assert kinds(await following) == ["finished"]
    await platform.cancel(first.run_id)
    await platform.finish(first.run_id)


async def test_a_run_is_cancelled_before_its_first_event(platform: Platform) -> None:
    runs = []
    for _ in range(10):
        runs.append(await platform.create("slow", {"delay": 60}))
        await platform.cancel(runs[-1].run_id)
    began = time.monotonic()
    ended = await asyncio.gather(*(platform.finish(run.run_id) for run in runs))
    assert time.monotonic() - began < 1
    assert {status(run) for run in ended} == {"cancelled"}


async def test_a_synchronous_node_is_waited_for(platform: Platform, journal: Path) -> None:
    run = await platform.create("thread", {"delay": 1.2, "journal": str(journal)})
    await until(lambda: _lines(journal, 1))
    await platform.cancel(run.run_id)
    assert status(await platform.finish(run.run_id)) == "cancelled"
    assert journal.read_text().split() == ["began", "ended"]


async def _lines(journal: Path, count: int) -> bool:
    return len(journal.read_text().split()) >= count


async def test_cancelling_an_ended_run_changes_nothing(platform: Platform) -> None:
    thread = new_thread()
    ended = await platform.run("echo", {"text": "a"}, thread=thread)
    for rollback in (False, True):
        assert await platform.cancel(ended.run.run_id, rollback=rollback) == ended.run
    assert output(await platform.finish(ended.run.run_id)) == {"text": "echo: a"}


async def test_a_cancel_is_repeated_without_harm(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 60})
    await asyncio.gather(*(platform.cancel(run.run_id) for _ in range(10)))
    assert status(await platform.finish(run.run_id)) == "cancelled"


async def _picture(platform: Platform, thread: str) -> tuple[Any, ...]:
    """All that a user sees of a thread, but for when."""
    found, state = await platform.thread(thread), await platform.state(thread)
    for moment in ("update_time", "state_update_time"):
        found.ClearField(moment)
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    rows = [
        await platform.pool.fetchval(f"SELECT count(*) FROM {table} WHERE thread_id = $1", thread) for table in tables
    ]
    return found, state, rows


async def test_a_rollback_restores_the_thread(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("slow", {"delay": 0}, thread=thread)
    before = await _picture(platform, thread)
    run = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"])
    events = []
    async for event in platform.follow(run.run_id):
        events.append(event)
        if event.HasField("update"):
            await platform.cancel(run.run_id, rollback=True)
    assert (events[-1].finished.status, events[-1].finished.rolled_back) == (run_pb2.RUN_STATUS_CANCELLED, True)
    assert (await refused(platform.get(run.run_id))).reason == "RUN_NOT_FOUND"
    assert await _picture(platform, thread) == before


async def test_a_rollback_of_an_answer_leaves_the_question_open(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("review", {"log": []}, thread=thread)
    before = await _picture(platform, thread)
    run = await platform.create("review", thread=thread, command=resume("slow"))
    await platform.reached(run.run_id, "started")
    await until(lambda: _wrote(platform, thread, before[2][2]))
    await platform.cancel(run.run_id, rollback=True)
    await refused(_gone(platform, run.run_id))
    assert await _picture(platform, thread) == before
    done = await platform.run("review", thread=thread, command=resume("yes"))
    assert output(done)["answer"] == "yes"


async def _wrote(platform: Platform, thread: str, before: int) -> bool:
    count = "SELECT count(*) FROM checkpoint_writes WHERE thread_id = $1"
    return bool(await platform.pool.fetchval(count, thread) > before)


async def _gone(platform: Platform, run_id: str) -> None:
    """Raises NOT_FOUND once the run is not there any more."""
    async with asyncio.timeout(10):
        while True:
            await platform.get(run_id)
            await asyncio.sleep(0.02)


async def test_a_rollback_of_a_threads_first_run_leaves_it_empty(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    await platform.cancel(run.run_id, rollback=True)
    await refused(_gone(platform, run.run_id))
    found = await platform.thread(thread)
    assert (found.status, found.HasField("values")) == (threads_pb2.THREAD_STATUS_IDLE, False)
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        assert await platform.pool.fetchval(f"SELECT count(*) FROM {table} WHERE thread_id = $1", thread) == 0


async def test_a_pending_run_is_rolled_back(platform: Platform) -> None:
    thread = new_thread()
    first = await platform.create("slow", {"delay": 60}, thread=thread)
    pending = await platform.create("echo", {"text": "a"}, thread=thread)
    await platform.cancel(pending.run_id, rollback=True)
    assert (await refused(platform.get(pending.run_id))).reason == "RUN_NOT_FOUND"
    await platform.cancel(first.run_id)
    await platform.finish(first.run_id)


async def test_a_rollback_overrides_an_interrupt(platform: Platform, journal: Path) -> None:
    run = await platform.create("thread", {"delay": 2.0, "journal": str(journal)}, thread=new_thread())
    # A run whose code has yet to begin is cancelled at once.
    await until(lambda: _lines(journal, 1))
    await platform.cancel(run.run_id)
    await platform.cancel(run.run_id, rollback=True)
    assert (await refused(_gone(platform, run.run_id))).code == grpc.StatusCode.NOT_FOUND


async def test_a_waiter_learns_that_its_run_was_rolled_back(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 60}, thread=new_thread())
    await platform.reached(run.run_id, "started")
    waiting = asyncio.create_task(platform.finish(run.run_id))
    await platform.cancel(run.run_id, rollback=True)
    assert (await refused(waiting)).reason == "RUN_NOT_FOUND"


@pytest.mark.parametrize("seed", range(5))
async def test_a_cancel_that_races_with_the_end_takes_effect_or_is_late(platform: Platform, seed: int) -> None:
    dice = random.Random(seed)

    async def race() -> None:
        run = await platform.create("tokens", {"tokens": 3, "delay": 0.002}, thread=new_thread())
        await asyncio.sleep(dice.random() * 0.06)
        answer = await platform.cancel(run.run_id)
        ended = await platform.finish(run.run_id)
        if answer.HasField("finish_time"):
            assert ended.run == answer
        else:
            assert status(ended) == "cancelled"
        events = await platform.events(run.run_id)
        assert events[-1].finished.status == ended.run.status

    await asyncio.gather(*(race() for _ in range(10)))


async def test_neighbours_of_a_cancelled_run_go_on(platform: Platform) -> None:
    runs = [await platform.create("tokens", {"tokens": 100, "delay": 0.005}) for _ in range(6)]
    await asyncio.gather(*(platform.reached(run.run_id, "started") for run in runs))
    await asyncio.gather(*(platform.cancel(run.run_id) for run in runs[::2]))
    ended = [status(await platform.finish(run.run_id)) for run in runs]
    assert ended == ["cancelled", "success"] * 3
