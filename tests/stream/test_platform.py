"""Threads' streams and cancel_on_disconnect on a whole platform, whose polls come too late to wake a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from runwire.api.stream.v1 import stream_pb2
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import in_process
from tests.harness.platform import Platform, new_thread, resume, status
from tests.harness.waiting import until
from tests.stream.reader import ThreadReader

SOON = 5.0


@pytest.fixture(scope="module")
async def platform(servers: Servers) -> AsyncIterator[Platform]:
    """Everything in this process, with polls half a minute apart."""
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri, lease=timedelta(minutes=2))
        settings = settings.model_copy(update={"poll_interval": timedelta(seconds=30)})
        async with in_process(settings) as made:
            yield made


async def _of_new_thread(platform: Platform, **fields: Any) -> tuple[str, ThreadReader]:
    """A thread that had one run, and a stream of it that has begun after that."""
    thread = new_thread()
    await platform.run("echo", {"text": "before"}, thread=thread)
    return thread, await ThreadReader(platform.stream, thread, **fields).joined()


async def test_runs_are_told_as_they_come(platform: Platform) -> None:
    thread, reader = await _of_new_thread(platform)
    async with reader:
        runs = []
        for _ in range(3):
            async with asyncio.timeout(SOON):
                run = await platform.create("echo", {"text": "a"}, thread=thread, modes=["updates"])
                runs.append(run.run_id)
                await reader.until(lambda r: r.kinds.count("finished") == len(runs))
        assert reader.kinds == ["started", "update", "finished"] * 3
        assert [event.run_id for event in reader.events if event.HasField("started")] == runs
        assert {event.thread_id for event in reader.events} == {thread}


async def test_queued_runs_are_told_one_after_another(platform: Platform) -> None:
    thread, reader = await _of_new_thread(platform)
    async with reader, asyncio.timeout(3 * SOON):
        runs = [await platform.create("echo", {"text": "a"}, thread=thread, modes=["values"]) for _ in range(12)]
        await reader.until(lambda r: r.kinds.count("finished") == 12)
        assert [event.run_id for event in reader.events if event.HasField("started")] == [r.run_id for r in runs]
        for run in runs:
            told = [event for event in reader.events if event.run_id == run.run_id]
            alone = await platform.events(run.run_id)
            assert [event.event_id.split(":")[1] for event in told] == [event.event_id for event in alone]
            for event in told:
                event.event_id = event.event_id.split(":")[1]
            assert told == alone


async def test_a_stream_that_is_resumed_misses_nothing(platform: Platform) -> None:
    thread, reader = await _of_new_thread(platform)
    async with reader, asyncio.timeout(3 * SOON):
        await platform.run("echo", {"text": "a"}, thread=thread)
        await reader.until(lambda r: "finished" in r.kinds)
    for _ in range(2):
        await platform.run("echo", {"text": "b"}, thread=thread)
    async with ThreadReader(platform.stream, thread, after_event_id=reader.ids[-1]) as resumed:
        await resumed.until(lambda r: r.kinds.count("finished") == 2)
        assert resumed.kinds == ["started", "values", "values", "finished"] * 2


async def test_the_lifecycle_of_an_approval_is_told(platform: Platform) -> None:
    thread, reader = await _of_new_thread(platform, lifecycle_only=True)
    async with reader, asyncio.timeout(3 * SOON):
        await platform.run("gate", {"amount": 1}, thread=thread, modes=["values", "updates"])
        await platform.run("gate", thread=thread, modes=["values"], command=resume("yes"))
        await reader.until(lambda r: r.kinds.count("finished") == 2)
        assert reader.kinds == ["started", "interrupted", "finished", "started", "finished"]


async def test_a_run_cancelled_while_it_waited_is_told_after_the_one_before_it(platform: Platform) -> None:
    thread, reader = await _of_new_thread(platform)
    async with reader, asyncio.timeout(3 * SOON):
        first = await platform.create("slow", {"delay": 60}, thread=thread)
        waiting = await platform.create("echo", {"text": "a"}, thread=thread)
        await reader.until(lambda r: "started" in r.kinds)
        await platform.cancel(waiting.run_id)
        await platform.cancel(first.run_id)
        await reader.until(lambda r: r.kinds.count("finished") == 2)
        ends = [event.run_id for event in reader.events if event.HasField("finished")]
        assert ends == [first.run_id, waiting.run_id]


async def test_a_run_whose_reader_leaves_is_cancelled(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 60}, thread=new_thread())
    call = platform.stream.StreamRun(stream_pb2.StreamRunRequest(run_id=run.run_id, cancel_on_disconnect=True))
    assert (await call.read()).events[0].HasField("started")
    call.cancel()

    async def is_cancelled() -> bool:
        return status(await platform.get(run.run_id)) == "cancelled"

    await until(is_cancelled, within=SOON)
