"""What a new run does to the runs of its thread that are under way, and when delayed runs start."""

from __future__ import annotations

import asyncio
import json
import random
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1 import runs_pb2, workers_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from tests.harness.platform import Platform, new_thread, output, request, status
from tests.harness.refused import refused

INTERRUPT = run_pb2.MULTITASK_STRATEGY_INTERRUPT
ROLLBACK = run_pb2.MULTITASK_STRATEGY_ROLLBACK


async def _busy(platform: Platform, thread: str) -> run_pb2.Run:
    """A run that has done its first step and stays for a minute in its second."""
    run = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    return run


async def _values(platform: Platform, thread: str) -> Any:
    return json.loads((await platform.state(thread)).values.text)


async def test_an_interrupting_run_stops_the_running_one_and_goes_on_from_its_state(platform: Platform) -> None:
    thread = new_thread()
    first = await _busy(platform, thread)
    pending = await platform.create("slow", {"delay": 0}, thread=thread)
    run = await platform.create("slow", {"delay": 0}, thread=thread, multitask_strategy=INTERRUPT)
    ended = await platform.finish(run.run_id)
    assert status(ended) == "success"
    assert status(await platform.get(first.run_id)) == "cancelled"
    assert status(await platform.get(pending.run_id)) == "cancelled"
    assert output(ended)["log"].count("quick") == 2
    cancelled = await platform.get(first.run_id)
    assert cancelled.finish_time.ToNanoseconds() <= ended.run.start_time.ToNanoseconds()


async def test_a_run_that_rolls_back_starts_from_the_state_before(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("slow", {"delay": 0}, thread=thread)
    before = await _values(platform, thread)
    first = await _busy(platform, thread)
    pending = await platform.create("slow", {"delay": 0}, thread=thread)
    run = await platform.create("slow", {"delay": 0}, thread=thread, multitask_strategy=ROLLBACK)
    ended = await platform.finish(run.run_id)
    assert output(ended)["log"] == before["log"] * 2
    for gone in (first, pending):
        assert (await refused(platform.get(gone.run_id))).reason == "RUN_NOT_FOUND"


async def test_the_followers_of_a_pending_run_that_makes_way_learn_of_its_end(platform: Platform) -> None:
    thread = new_thread()
    await _busy(platform, thread)
    pending = await platform.create("slow", {"delay": 0}, thread=thread)
    following = asyncio.create_task(platform.events(pending.run_id))
    run = await platform.create("slow", {"delay": 0}, thread=thread, multitask_strategy=INTERRUPT)
    assert [event.WhichOneof("payload") for event in await following] == ["finished"]
    await platform.finish(run.run_id)


async def test_runs_that_make_way_at_once_are_all_told_to_a_reader_that_comes_back(platform: Platform) -> None:
    thread = new_thread()
    running = await _busy(platform, thread)
    pending = [await platform.create("slow", {"delay": 0}, thread=thread) for _ in range(3)]
    call = platform.stream.StreamThread(stream_pb2.StreamThreadRequest(thread_id=thread))
    async with asyncio.timeout(20):
        first = await anext(aiter(call))
    call.cancel()
    last = await platform.create("slow", {"delay": 0}, thread=thread, multitask_strategy=INTERRUPT)
    ends = await _ends(platform, thread, last.run_id, after=first.events[0].event_id)
    assert sorted(ends) == sorted(run.run_id for run in (running, *pending, last))
    for place, run_id in enumerate(list(ends)[:-1]):
        later = await _ends(platform, thread, last.run_id, after=ends[run_id])
        assert list(later.items()) == list(ends.items())[place + 1 :]


async def _ends(platform: Platform, thread: str, last: str, *, after: str) -> dict[str, str]:
    """The ids of the events with which the thread's runs end, up to a run's."""
    ends: dict[str, str] = {}
    call = platform.stream.StreamThread(stream_pb2.StreamThreadRequest(thread_id=thread, after_event_id=after))
    async with asyncio.timeout(20):
        async for response in call:
            ends |= {event.run_id: event.event_id for event in response.events if event.HasField("finished")}
            if last in ends:
                break
    call.cancel()
    return ends


async def test_of_many_interrupting_runs_the_last_one_ends_well(platform: Platform) -> None:
    thread = new_thread()
    await _busy(platform, thread)
    fields: dict[str, Any] = {"thread": thread, "multitask_strategy": INTERRUPT}
    runs = await asyncio.gather(*(platform.create("slow", {"delay": 0.3}, **fields) for _ in range(8)))
    last = max(runs, key=lambda run: run.create_time.ToNanoseconds())
    assert status(await platform.finish(last.run_id)) == "success"
    statuses = [status(await platform.get(run.run_id)) for run in runs if run.run_id != last.run_id]
    assert set(statuses) == {"cancelled"}


async def test_a_delayed_run_starts_within_a_second_of_its_time(platform: Platform) -> None:
    run = await platform.create("echo", {"text": "a"}, start_delay=Duration(seconds=1, nanos=300_000_000))
    ended = await platform.finish(run.run_id)
    late = ended.run.start_time.ToNanoseconds() - run.due_time.ToNanoseconds()
    assert 0 <= late < 1.5e9
    assert run.due_time.ToNanoseconds() - run.create_time.ToNanoseconds() == 1.3e9


async def test_a_delayed_run_lets_others_of_its_thread_pass(platform: Platform) -> None:
    thread = new_thread()
    delayed = await platform.create("slow", {"delay": 0}, thread=thread, start_delay=Duration(seconds=2))
    began = time.monotonic()
    at_once = await platform.run("slow", {"delay": 0}, thread=thread)
    assert time.monotonic() - began < 2
    ended = await platform.finish(delayed.run_id)
    assert at_once.run.finish_time.ToNanoseconds() < ended.run.start_time.ToNanoseconds()
    assert status(ended) == "success"


async def test_a_batch_of_runs_is_executed(platform: Platform) -> None:
    batch = runs_pb2.BatchCreateRunsRequest(requests=[request("echo", {"text": str(n)}) for n in range(20)])
    runs = (await platform.runs.BatchCreateRuns(batch)).runs
    ended = await asyncio.gather(*(platform.finish(run.run_id) for run in runs))
    assert [output(run)["text"] for run in ended] == [f"echo: {n}" for n in range(20)]


async def test_many_running_runs_are_cancelled_by_thread(platform: Platform) -> None:
    threads = [new_thread() for _ in range(3)]
    runs = [await _busy(platform, thread) for thread in threads]
    asked = runs_pb2.BatchCancelRunsRequest(run_ids=[run.run_id for run in runs])
    answer = await platform.runs.BatchCancelRuns(asked)
    assert {run.run_id for run in answer.runs} == {run.run_id for run in runs}
    assert {status(await platform.finish(run.run_id)) for run in runs} == {"cancelled"}


async def test_a_worker_that_executes_says_so(platform: Platform, journal: Path) -> None:
    run = await _busy(platform, new_thread())
    [worker] = (await platform.workers.ListWorkers(workers_pb2.ListWorkersRequest(graph_id="slow"))).workers
    assert worker.running >= 1
    await platform.cancel(run.run_id)
    await platform.finish(run.run_id)
    assert "echo" in worker.graph_ids


@pytest.mark.parametrize("strategy", [INTERRUPT, ROLLBACK])
async def test_a_stubborn_run_makes_way_when_its_code_has_really_stopped(
    platform: Platform, journal: Path, strategy: Any
) -> None:
    thread = new_thread()
    first = await platform.create("thread", {"delay": 1.0, "journal": str(journal)}, thread=thread)
    await platform.reached(first.run_id, "started")
    run = await platform.create(
        "thread", {"delay": 0, "journal": str(journal)}, thread=thread, multitask_strategy=strategy
    )
    assert status(await platform.finish(run.run_id)) == "success"
    lines = journal.read_text().split()
    assert lines == ["began", "ended"] * (len(lines) // 2)


@pytest.mark.parametrize("seed", range(3))
async def test_a_mixture_of_strategies_and_delays_leaves_nothing_behind(platform: Platform, seed: int) -> None:
    dice = random.Random(seed)
    threads = [new_thread() for _ in range(3)]
    made: list[run_pb2.Run] = []

    async def create() -> None:
        await asyncio.sleep(dice.random())
        fields = {
            "multitask_strategy": dice.choice([1, 1, 2, INTERRUPT, ROLLBACK]),
            "start_delay": Duration(nanos=dice.choice([0, 0, 300_000_000, 900_000_000])),
        }
        try:
            value = {"delay": dice.random() * 0.3}
            made.append(await platform.create("slow", value, thread=dice.choice(threads), **fields))
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise

    await asyncio.gather(*(create() for _ in range(60)))
    for run in made:
        try:
            ended = await platform.finish(run.run_id)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
        else:
            assert status(ended) in ("success", "cancelled")
    rows = await platform.pool.fetch(
        "SELECT thread_id, due_at, started_at, finished_at FROM runs"
        " WHERE thread_id = ANY($1) AND started_at IS NOT NULL ORDER BY thread_id, started_at",
        threads,
    )
    for before, after in pairwise(rows):
        if before["thread_id"] == after["thread_id"]:
            assert before["finished_at"] <= after["started_at"]
        assert after["due_at"] <= after["started_at"]
    assert await platform.pool.fetchval("SELECT count(*) FROM runs WHERE ready AND thread_id = ANY($1)", threads) == 0
