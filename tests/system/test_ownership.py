"""Workers that die, hang, stop and drain: their runs go on elsewhere, and nothing written down is done twice.

Tests that take two workers come first, so that few are started and ended between tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
from redis.asyncio import Redis

from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import Platform, kinds, new_thread, output, resume, status
from tests.harness.waiting import until
from tests.harness.workers import Crew, WorkerProcess, crew_of

STEPS = [f"step{number}" for number in range(6)]
SLOW_TESTS = bool(os.environ.get("RUNWIRE_SLOW_TESTS"))
LEASE = timedelta(seconds=10 if SLOW_TESTS else 3)


@pytest.fixture(scope="module")
async def owned(servers: Servers) -> AsyncIterator[Platform]:
    """The three services. Workers are a crew of processes."""
    async with fresh_database(servers) as uri:
        settings = system_settings(
            uri, servers.redis_uri, drain_timeout=timedelta(seconds=0.5), lease=LEASE, heartbeat_interval=LEASE / 6
        )
        async with serving(settings) as platform:
            yield platform


@pytest.fixture(scope="module")
async def crew(owned: Platform, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crew]:
    """Worker processes to kill."""
    async with crew_of(owned.settings, tmp_path_factory.mktemp("workers")) as made:
        yield made


async def held_by(platform: Platform, run_id: str) -> UUID | None:
    """The worker that has the run."""
    held: UUID | None = await platform.pool.fetchval("SELECT worker_id FROM runs WHERE run_id = $1", UUID(run_id))
    return held


async def owner(platform: Platform, run_id: str, those: list[WorkerProcess]) -> WorkerProcess:
    """The process that has the run, once one has."""
    worker_id = await until(lambda: held_by(platform, run_id))
    return next(worker for worker in those if worker.worker_id == worker_id)


async def noted(journal: Path, line: str) -> bool:
    """Whether a node has noted that it began."""
    return line in journal.read_text().splitlines()


def assert_applied_once(values: dict[str, Any]) -> None:
    """The input was applied once, and each step counts once."""
    assert values["applied"] == STEPS
    assert values["count"] == 106


def repeated(journal: Path) -> set[str]:
    """The steps that began more than once."""
    return {line for line, count in Counter(journal.read_text().split()).items() if count > 1}


def assert_attempts(events: list[stream_pb2.RunEvent], attempts: int) -> None:
    """Each attempt is announced, the last one is complete, and nothing follows the end."""
    starts = [number for number, event in enumerate(events) if event.HasField("started")]
    assert [events[number].started.attempt for number in starts] == list(range(1, attempts + 1))
    assert kinds(events)[-1] == "finished"
    numbers = [int(event.event_id.partition("-")[2]) for event in events[starts[-1] :]]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_killed_workers_run_is_finished_by_another(owned: Platform, crew: Crew, journal: Path) -> None:
    both = await crew.of(2)
    value = {"count": 100, "delay": 0.3, "journal": str(journal)}
    run = await owned.create("steps", value, thread=new_thread(), modes=["updates"])
    following = asyncio.create_task(owned.events(run.run_id))
    first = await owner(owned, run.run_id, both)
    await until(lambda: noted(journal, "step3"))
    killed_at = time.monotonic()
    first.kill()
    await first.ended()
    done = await owned.finish(run.run_id)
    assert time.monotonic() - killed_at < 15
    assert (status(done), done.run.attempts) == ("success", 2)
    assert_applied_once(output(done))
    # The step that was cut off, and the one before it, whose checkpoint is written while the next one runs.
    assert repeated(journal) <= {"step2", "step3"}
    assert_attempts(await following, 2)
    assert_attempts(await owned.events(run.run_id), 2)


@pytest.mark.parametrize("redis", ["kept", "flushed"] if SLOW_TESTS else ["flushed"])
async def test_a_run_that_kills_its_process_gets_three_attempts(
    owned: Platform, crew: Crew, journal: Path, redis: str
) -> None:
    await crew.of(2)
    thread = new_thread()
    run = await owned.create("deadly", {"journal": str(journal)}, thread=thread)
    flushing = asyncio.create_task(_forget_attempts(owned)) if redis == "flushed" else None
    done = await owned.finish(run.run_id, within=60)
    if flushing:
        flushing.cancel()
        await asyncio.wait([flushing], timeout=5)
        assert flushing.cancelled()
    assert (status(done), done.run.error.type, done.run.attempts) == ("error", "AttemptsExhausted", 3)
    assert journal.read_text().split() == ["died"] * 3
    assert kinds(await owned.events(run.run_id))[-1] == "finished"
    assert status(await owned.run("echo", {"text": "a"}, thread=thread)) == "success"


async def _forget_attempts(platform: Platform) -> None:
    """Removes the counters from Redis over and over."""
    # With a time-out of its own it calls asyncio.wait_for, which on Python 3.11 may swallow the cancellation.
    async with Redis.from_url(platform.settings.redis_uri, socket_timeout=None) as redis:
        while True:
            async for key in redis.scan_iter(f"{platform.settings.redis_prefix}:attempt:*"):
                await redis.delete(key)
            await asyncio.sleep(0.05)


async def test_a_node_that_blocks_longer_than_the_lease_runs_once(owned: Platform, crew: Crew, journal: Path) -> None:
    await crew.of(2)
    block = 60 if SLOW_TESTS else 6
    run = await owned.create("blocking", {"delay": block, "journal": str(journal)}, thread=new_thread())
    await until(lambda: noted(journal, "blocking"))
    assert status(await owned.run("echo", {"text": "others go on"})) == "success"
    assert status(await owned.get(run.run_id)) == "running"
    done = await owned.finish(run.run_id, within=block + 30)
    assert (status(done), done.run.attempts) == ("success", 1)
    assert journal.read_text().split() == ["blocking"]


async def test_a_blocking_node_is_cancelled_by_the_end_of_its_process(
    owned: Platform, crew: Crew, journal: Path
) -> None:
    await crew.of(2)
    run = await owned.create("blocking", {"delay": 60, "journal": str(journal)}, thread=new_thread())
    await until(lambda: noted(journal, "blocking"))
    await owned.cancel(run.run_id)
    assert status(await owned.finish(run.run_id)) == "cancelled"
    assert status(await owned.run("echo", {"text": "a"}, thread=run.thread_id)) == "success"


async def test_code_that_swallows_its_time_limit_is_killed(owned: Platform, crew: Crew) -> None:
    await crew.of(2)
    run = await owned.create("stubborn", {"delay": 60}, thread=new_thread(), seconds=1)
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.error.type) == ("timeout", "RunTimeout")
    assert (await owned.events(run.run_id))[-1].finished.error.type == "RunTimeout"


async def test_a_drained_workers_run_goes_on_elsewhere_without_using_up_an_attempt(
    owned: Platform, crew: Crew, journal: Path
) -> None:
    both = await crew.of(2)
    run = await owned.create("steps", {"count": 100, "delay": 0.7, "journal": str(journal)}, thread=new_thread())
    first = await owner(owned, run.run_id, both)
    await until(lambda: noted(journal, "step1"))
    first.drain()
    await first.ended()
    assert not await owned.pool.fetchval("SELECT true FROM workers WHERE worker_id = $1", first.worker_id)
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 1)
    assert_applied_once(output(done))


@pytest.mark.slow
async def test_a_stopped_worker_changes_nothing_when_it_comes_back(owned: Platform, crew: Crew, journal: Path) -> None:
    both = await crew.of(2)
    value = {"count": 100, "delay": 0.5, "journal": str(journal)}
    run = await owned.create("steps", value, thread=new_thread(), modes=["updates"])
    first = await owner(owned, run.run_id, both)
    await until(lambda: noted(journal, "step1"))
    before = first.worker_id
    first.signal_all(signal.SIGSTOP)
    await until(lambda: _taken_over(owned, run.run_id, before), within=15)
    await until(lambda: noted(journal, "step4"))
    first.signal_all(signal.SIGCONT)
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 2)
    assert_applied_once(output(done))
    assert_attempts(await owned.events(run.run_id), 2)

    # It begins a new life under a new id, and works again.
    async def reborn() -> bool:
        return await first.is_ready() and first.worker_id != before

    await until(reborn, within=60)


async def _taken_over(platform: Platform, run_id: str, from_whom: UUID) -> bool:
    holder = await held_by(platform, run_id)
    return holder is not None and holder != from_whom


async def test_a_worker_with_a_stopped_supervisor_loses_its_runs(owned: Platform, crew: Crew) -> None:
    """Its executor goes on, but what it writes is refused."""
    both = await crew.of(2)
    run = await owned.create("steps", {"count": 100, "delay": 0.8}, thread=new_thread())
    first = await owner(owned, run.run_id, both)
    os.kill(first.pid, signal.SIGSTOP)
    done = await owned.finish(run.run_id)
    os.kill(first.pid, signal.SIGCONT)
    assert (status(done), done.run.attempts) == ("success", 2)
    assert_applied_once(output(done))


@pytest.mark.slow
async def test_twenty_runs_outlive_the_kill_of_their_worker(owned: Platform, crew: Crew, tmp_path: Path) -> None:
    """Each run loses a worker in mid-run. By default they share two kills; RUNWIRE_SLOW_TESTS=1 kills twenty times."""
    kills = 20 if SLOW_TESTS else 2
    for kill in range(kills):
        journals = [tmp_path / f"{kill}-{number}" for number in range(20 // kills)]
        (doomed,) = await crew.of(1)
        runs = [await _begun(owned, number, journal) for number, journal in enumerate(journals)]
        for journal in journals:
            await until(partial(noted, journal, "step2"))
        doomed.kill()
        await doomed.ended()
        await crew.of(1)
        for run, journal in zip(runs, journals, strict=True):
            done = await owned.finish(run.run_id)
            assert (status(done), done.run.attempts) == ("success", 2)
            assert_applied_once(output(done))
            # A step whose checkpoint was written does not run again.
            assert len(repeated(journal)) <= 1
            assert not repeated(journal) & {"step0"}


async def _begun(platform: Platform, number: int, journal: Path) -> run_pb2.Run:
    journal.touch()
    value = {"count": 100, "delay": 0.4 + 0.03 * number, "journal": str(journal)}
    return await platform.create("steps", value, thread=new_thread(), durability="DURABILITY_SYNC")


async def test_a_killed_executors_runs_are_taken_up_at_once(owned: Platform, crew: Crew, journal: Path) -> None:
    (worker,) = await crew.of(1)
    run = await owned.create("steps", {"count": 100, "delay": 0.2, "journal": str(journal)}, thread=new_thread())
    await until(lambda: noted(journal, "step2"))
    (executor,) = worker.executors()
    executor.kill()
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 2)
    assert_applied_once(output(done))
    assert await owned.pool.fetchval("SELECT true FROM workers WHERE worker_id = $1", worker.worker_id)


async def test_code_that_swallows_cancels_is_killed_and_its_neighbours_run_again(
    owned: Platform, crew: Crew, journal: Path
) -> None:
    await crew.of(1)
    stubborn = await owned.create("stubborn", {"delay": 60, "journal": str(journal)}, thread=new_thread())
    await until(lambda: noted(journal, "began"))
    value = {"count": 100, "delay": 0.8}
    neighbours = [await owned.create("steps", value, thread=new_thread()) for _ in range(3)]
    await asyncio.gather(*(owned.reached(run.run_id, "values", within=10) for run in neighbours))
    await owned.cancel(stubborn.run_id)
    assert status(await owned.finish(stubborn.run_id)) == "cancelled"
    for run in neighbours:
        done = await owned.finish(run.run_id)
        assert (status(done), done.run.attempts) == ("success", 1)
        assert_applied_once(output(done))
        starts = [event.started.attempt for event in await owned.events(run.run_id) if event.HasField("started")]
        assert starts == [1, 1]


async def test_a_drained_worker_lets_short_runs_end(owned: Platform, crew: Crew, journal: Path) -> None:
    (worker,) = await crew.of(1)
    run = await owned.create("steps", {"count": 100, "delay": 0.03, "journal": str(journal)}, thread=new_thread())
    await until(lambda: noted(journal, "step1"))
    worker.drain()
    await worker.ended()
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 1)
    assert journal.read_text().split() == STEPS


@pytest.mark.parametrize("moment", ["before it is started", "while it loads"])
async def test_a_worker_drains_at_once_also_when_it_is_replacing_an_executor(
    owned: Platform, tmp_path: Path, moment: str
) -> None:
    # An executor that is left alone ends itself after two leases.
    async with crew_of(owned.settings.model_copy(update={"lease": timedelta(minutes=1)}), tmp_path) as crew:
        (worker,) = await crew.of(1)
        (executor,) = worker.executors()
        executor.kill()

        async def is_replacing() -> bool:
            if moment == "before it is started":
                return '"executor_gone"' in worker.log.read_text()
            return any(each.pid != executor.pid for each in worker.executors())

        await until(is_replacing)
        worker.drain()
        await worker.ended()


async def test_a_worker_that_is_told_to_end_while_its_graphs_load_ends_at_once(owned: Platform, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\n\ntime.sleep(60)\n")
    (tmp_path / "langgraph.json").write_text(json.dumps({"graphs": {"slow": "./slow.py:graph"}}))
    settings = owned.settings.model_copy(update={"graphs": tmp_path / "langgraph.json"})
    async with crew_of(settings, tmp_path) as crew:
        worker = await crew.start()

        async def executors() -> list[psutil.Process]:
            return worker.executors()

        (executor,) = await until(executors)
        worker.drain()
        await worker.ended()
        assert not executor.is_running()


async def test_a_claim_that_takes_effect_after_its_executors_death_is_given_back(owned: Platform, crew: Crew) -> None:
    (worker,) = await crew.of(1)
    (executor,) = worker.executors()
    executor.suspend()
    run = await owned.create("echo", {"text": "a"})

    async def claims() -> bool:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ 'share_slots'"
        )
        return bool(await owned.pool.fetchval(waiting))

    async def is_replaced() -> bool:
        return any(each.pid != executor.pid for each in worker.executors())

    async with owned.pool.acquire() as slow, slow.transaction():
        await slow.execute("LOCK TABLE runs IN SHARE MODE")
        executor.resume()
        await until(claims)
        executor.kill()
        # What it held has been given back by then.
        await until(is_replaced)
    done = await owned.finish(run.run_id)
    assert (status(done), done.run.attempts) == ("success", 1)


@pytest.mark.parametrize("how", ["drain", "kill"])
async def test_a_commands_update_is_applied_once(owned: Platform, crew: Crew, tmp_path: Path, how: str) -> None:
    """Cut off in the Command's first step, whose checkpoint is still the paused run's, and in a later one."""
    (worker,) = await crew.of(1)
    late = await _commanded(owned, tmp_path / "late")
    await until(lambda: noted(tmp_path / "late", "step2"))
    early = await _commanded(owned, tmp_path / "early")
    await until(lambda: noted(tmp_path / "early", "step1"))
    getattr(worker, how)()
    await worker.ended()
    await crew.of(1)
    for run in (late, early):
        done = await owned.finish(run.run_id)
        assert (output(done)["count"], done.run.attempts) == (1106, 2 if how == "kill" else 1)


async def _commanded(platform: Platform, journal: Path) -> run_pb2.Run:
    """A run with a Command that goes on from before step1 and adds 1,000."""
    journal.touch()
    thread = new_thread()
    value = {"count": 100, "delay": 0.4, "journal": str(journal)}
    at = run_pb2.Breakpoints(nodes=["step1"])
    await platform.run("steps", value, thread=thread, interrupt_before=at)
    command = run_pb2.Command(update=Json(text='{"count":1000}'))
    return await platform.create("steps", thread=thread, command=command, durability="DURABILITY_SYNC")


async def test_answers_that_are_cut_off_are_given_again(owned: Platform, crew: Crew, tmp_path: Path) -> None:
    (worker,) = await crew.of(1)
    plain = await _answered(owned, tmp_path / "plain", by_id=False)
    by_id = await _answered(owned, tmp_path / "by_id", by_id=True)
    worker.kill()
    await worker.ended()
    await crew.of(1)
    for run in (plain, by_id):
        done = await owned.finish(run.run_id)
        assert (status(done), done.run.attempts) == ("timeout", 2)
    for journal in (tmp_path / "plain", tmp_path / "by_id"):
        assert journal.read_text().splitlines() == ["answered slow"] * 2


async def _answered(platform: Platform, journal: Path, *, by_id: bool) -> run_pb2.Run:
    """A run that has got the answer "slow" and hangs."""
    journal.touch()
    thread = new_thread()
    paused = await platform.run("review", {"log": [], "journal": str(journal)}, thread=thread)
    answer = {paused.interrupts[0].interrupt_id: "slow"} if by_id else "slow"
    run = await platform.create("review", thread=thread, command=resume(answer), seconds=3)
    await until(lambda: noted(journal, "answered slow"))
    return run


@pytest.mark.parametrize("rollback", [False, True])
async def test_a_cancel_of_a_dead_workers_run_takes_effect(owned: Platform, crew: Crew, rollback: bool) -> None:
    (worker,) = await crew.of(1)
    run = await owned.create("slow", {"delay": 60}, thread=new_thread(), modes=["updates"])
    await owned.reached(run.run_id, "update", node="quick")
    worker.kill()
    await worker.ended()
    following = asyncio.create_task(owned.events(run.run_id))
    await owned.cancel(run.run_id, rollback=rollback)
    events = await following
    assert events[-1].finished.status == run_pb2.RUN_STATUS_CANCELLED
    assert events[-1].finished.rolled_back is rollback
