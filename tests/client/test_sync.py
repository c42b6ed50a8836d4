"""The synchronous client against a running platform, used from a thread."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import closing
from typing import assert_type

import pytest

from runwire.client import RunFailed, SyncClient, events
from runwire.client import blocking as parts
from runwire.client.assistants import Assistants
from runwire.client.crons import Crons
from runwire.client.results import Thread
from runwire.client.runs import Runs
from runwire.client.store import Store
from runwire.client.threads import Threads
from runwire.client.workers import Workers
from tests.harness.platform import new_thread


async def test_wait_returns_the_output(sync_client: SyncClient) -> None:
    output = await asyncio.to_thread(sync_client.runs.wait, None, "echo", input={"text": "a"})
    assert output == {"text": "echo: a"}


async def test_a_failed_run_raises(sync_client: SyncClient) -> None:
    with pytest.raises(RunFailed):
        await asyncio.to_thread(sync_client.runs.wait, None, "failing", input={"text": "a"})


async def test_a_stream_is_an_iterator(sync_client: SyncClient) -> None:
    def follow() -> list[events.Event]:
        return list(sync_client.runs.stream(None, "tokens", input={"tokens": 3}, stream_mode="custom"))

    seen = await asyncio.to_thread(follow)
    assert [type(event) for event in seen] == [events.Started, *[events.Custom] * 3, events.Finished]


async def test_leaving_a_stream_ends_the_call_and_not_the_run(sync_client: SyncClient) -> None:
    def leave() -> str:
        stream = sync_client.runs.stream(None, "tokens", input={"tokens": 500, "delay": 0.02}, stream_mode="custom")
        with closing(stream):
            run_id = next(stream).run_id
        assert list(stream) == []
        run = sync_client.runs.cancel(run_id, wait=True)
        return run.status

    assert await asyncio.to_thread(leave) == "cancelled"


async def test_lists_are_iterators(sync_client: SyncClient) -> None:
    def work() -> int:
        mark = new_thread()
        made = {sync_client.threads.create(metadata={"mark": mark}).thread_id for _ in range(3)}
        found = [each.thread_id for each in sync_client.threads.search(metadata={"mark": mark})]
        assert set(found) == made
        two = list(sync_client.threads.search(metadata={"mark": mark}, limit=2))
        assert_type(two, list[Thread])
        return len(two)

    assert await asyncio.to_thread(work) == 2


@pytest.mark.parametrize("kind", [Assistants, Threads, Runs, Crons, Store, Workers])
def test_both_clients_have_the_same_methods(kind: type) -> None:
    sync = getattr(parts, f"Sync{kind.__name__}")
    public = {name for name in vars(kind) if not name.startswith("_")}
    assert {name for name in vars(sync) if not name.startswith("_")} == public
    for name in public:
        expected = parts.calling if inspect.iscoroutinefunction(vars(kind)[name]) else parts.iterating
        assert type(vars(sync)[name]) is expected


def test_a_method_shows_the_signature_and_the_manual_of_its_twin(sync_client: SyncClient) -> None:
    assert list(inspect.signature(sync_client.threads.get).parameters) == ["thread_id", "view"]
    assert sync_client.threads.get.__doc__ == Threads.get.__doc__
