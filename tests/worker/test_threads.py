"""A run has ended when its threads have. Only one that came to its own end does not wait for what its code left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.execute import current_run
from runwire.worker.fence import StorageUnavailable
from runwire.worker.threads import RunThreads
from tests.harness.waiting import until
from tests.worker.executors import State, becomes, executing, insert_run, side_by_side, status_of

_CANCEL = "UPDATE runs SET cancel_action = 'interrupt'"


class Thread:
    """A synchronous node that stays in its thread until it may leave."""

    def __init__(self) -> None:
        self._entered = threading.Event()
        self._leave = threading.Event()

    def __call__(self, _: Any) -> State:
        self._entered.set()
        self._leave.wait(60)
        return {}

    async def is_running(self) -> bool:
        """Whether it is in there."""
        return self._entered.is_set() and not self._leave.is_set()

    def leave(self) -> None:
        """Lets it end."""
        self._leave.set()


@pytest.fixture
def thread() -> Iterator[Thread]:
    """A node that is let go at the test's end at the latest."""
    made = Thread()
    yield made
    made.leave()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a run's threads are waited for."""
    begun, ended = asyncio.Event(), RunThreads.ended

    async def watched(threads: RunThreads, run: RunKey) -> None:
        begun.set()
        await ended(threads, run)

    monkeypatch.setattr(RunThreads, "ended", watched)
    return begun


async def _raise(error: Exception, thread: Thread, _: State) -> State:
    await until(thread.is_running)
    raise error


async def _leave_behind(thread: Thread, _: State) -> State:
    asyncio.get_running_loop().run_in_executor(None, thread, None)
    await until(thread.is_running)
    return {}


async def test_a_run_is_waited_for_in_the_threads_of_a_later_executor() -> None:
    run, leave = RunKey(DEFAULT_TENANT, uuid4()), threading.Event()
    with RunThreads(1) as former, RunThreads(1) as later:
        of_run = current_run.set(run)
        node = later.submit(leave.wait, 30)
        current_run.reset(of_run)
        asyncio.get_running_loop().call_soon(leave.set)
        await asyncio.wait_for(former.ended(run), 30)
        ended = node.done()
        leave.set()
    assert ended


@pytest.mark.parametrize(("error", "status"), [(ValueError(), "error"), (StorageUnavailable(), "pending")])
async def test_a_run_of_which_a_node_raised_waits_for_the_threads_of_the_others(
    pool: Pool, bus: Bus, settings: Settings, thread: Thread, waiting: asyncio.Event, error: Exception, status: str
) -> None:
    settings = settings.model_copy(update={"retry_delay": timedelta(hours=1)})
    run_id = await insert_run(pool)
    graph = side_by_side(slow=thread, failing=partial(_raise, error, thread))
    async with executing(graph, settings, pool, bus):
        await asyncio.wait_for(waiting.wait(), 20)
        assert await status_of(pool, run_id) == "running"
        thread.leave()
        await becomes(pool, run_id, status)


async def test_a_run_that_waits_for_its_threads_can_be_cancelled(
    pool: Pool, bus: Bus, settings: Settings, thread: Thread, waiting: asyncio.Event
) -> None:
    run_id = await insert_run(pool)
    graph = side_by_side(slow=thread, failing=partial(_raise, ValueError(), thread))
    async with executing(graph, settings, pool, bus):
        await asyncio.wait_for(waiting.wait(), 20)
        await pool.execute(_CANCEL)
        thread.leave()
        await becomes(pool, run_id, "cancelled")


async def test_a_run_that_waits_for_its_threads_is_left_to_the_supervisor_by_a_drain(
    pool: Pool, bus: Bus, settings: Settings, thread: Thread, waiting: asyncio.Event
) -> None:
    short = timedelta(milliseconds=50)
    settings = settings.model_copy(update={"drain_timeout": short, "cancel_grace": short})
    run_id = await insert_run(pool)
    graph = side_by_side(slow=thread, failing=partial(_raise, ValueError(), thread))
    async with executing(graph, settings, pool, bus):
        await asyncio.wait_for(waiting.wait(), 20)
    assert await status_of(pool, run_id) == "running"


async def test_a_run_that_succeeded_does_not_wait_for_what_its_code_left_behind(
    pool: Pool, bus: Bus, settings: Settings, thread: Thread
) -> None:
    run_id = await insert_run(pool)
    async with executing(side_by_side(node=partial(_leave_behind, thread)), settings, pool, bus):
        await becomes(pool, run_id, "success")
        assert await thread.is_running()


async def test_a_run_that_would_have_succeeded_is_cancelled_when_no_code_of_it_is_left(
    pool: Pool, bus: Bus, settings: Settings, thread: Thread, waiting: asyncio.Event
) -> None:
    async def node(state: State) -> State:
        await pool.execute(_CANCEL)
        return await _leave_behind(thread, state)

    run_id = await insert_run(pool)
    async with executing(side_by_side(node=node), settings, pool, bus):
        await asyncio.wait_for(waiting.wait(), 20)
        assert await status_of(pool, run_id) == "running"
        thread.leave()
        await becomes(pool, run_id, "cancelled")
