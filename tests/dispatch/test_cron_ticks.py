"""What due crons create. The clock is moved by moving the next tick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.crons_pb2 import CreateCronRequest, Cron
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.dispatch import clockwork, cron_ticks
from runwire.dispatch.cron_requests import check_create
from runwire.dispatch.cron_ticks import CronTicks, run_id_of
from runwire.dispatch.crons import Crons
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import check
from runwire.dispatch.runs import Runs
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, end_run, make_assistant, make_thread

MONTHLY = "0 0 1 * *"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
REJECT = run_pb2.MULTITASK_STRATEGY_REJECT


async def _cron(pool: Pool, **fields: Any) -> str:
    request = CreateCronRequest(**{"schedule": MONTHLY, "run": a_run(), **fields})
    cron: Cron = await Crons(pool).create("default", check_create(request))
    return cron.cron_id


async def _move(pool: Pool, ago: timedelta = SECOND, cron_id: str | None = None) -> datetime:
    """Moves the next tick to a whole second of the past; the time is the database's."""
    moment: datetime = await pool.fetchval(
        "UPDATE crons SET next_tick_at = date_trunc('second', now()) - $1::interval"
        " WHERE enabled AND ($2::text IS NULL OR cron_id = $2) RETURNING next_tick_at",
        ago,
        cron_id,
    )
    return moment


@asynccontextmanager
async def _clock(pool: Pool, bus: Bus) -> AsyncIterator[CronTicks]:
    async with Hints(bus) as hints:
        yield CronTicks(pool, bus, hints)


async def _turn(pool: Pool, bus: Bus) -> None:
    async with _clock(pool, bus) as ticks:
        await ticks.tick_crons()


async def _runs(pool: Pool) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await pool.fetch(
        "SELECT run_id, cron_id, thread_id, assistant_version, request FROM runs ORDER BY position"
    )
    return rows


async def _stored(pool: Pool) -> asyncpg.Record:
    return await pool.fetchrow("SELECT next_tick_at, missed_ticks, now() AS now FROM crons")


async def test_a_due_cron_creates_its_run_and_passes_on(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    cron_id = await _cron(pool, run=a_run(metadata=Json(text='{"a":1}')))
    tick = await _move(pool)
    await _turn(pool, bus)
    (run,) = await _runs(pool)
    assert (run["run_id"], run["cron_id"]) == (run_id_of("default", cron_id, tick), cron_id)
    request = CreateRunRequest.FromString(run["request"])
    assert (request.input.text, request.metadata.text) == ('{"n":1}', '{"a":1}')
    cron = await _stored(pool)
    assert cron["next_tick_at"] > cron["now"]
    assert (cron["next_tick_at"].day, cron["missed_ticks"]) == (1, 0)


async def test_the_run_is_told_of_its_cron(dispatch: Dispatch, pool: Pool, soon: Any) -> None:
    await make_assistant(pool)
    cron_id = await _cron(pool)
    tick = await _move(pool)

    async def created() -> list[asyncpg.Record]:
        return await _runs(pool)

    await soon(created)
    run_id = str(run_id_of("default", cron_id, tick))
    run = (await dispatch.runs.GetRun(runs_pb2.GetRunRequest(run_id=run_id))).run
    assert (run.cron_id, run.status) == (cron_id, run_pb2.RUN_STATUS_PENDING)


async def test_a_worker_is_woken_for_the_run(pool: Pool, bus: Bus, settings: Settings) -> None:
    await make_assistant(pool)
    await _cron(pool)
    await _move(pool)
    async with clockwork.turning(pool, bus, settings):
        waiter = bus.waiter()
        assert await waiter.pop([bus.keys.wake(GRAPH)], 5)
        await waiter.aclose()


async def test_a_due_cron_is_found_by_the_index_of_what_is_due(pool: Pool) -> None:
    await make_assistant(pool)
    await pool.execute(
        "INSERT INTO crons (cron_id, assistant_id, schedule, time_zone, request, request_digest, enabled, next_tick_at)"
        " SELECT n::text, (SELECT assistant_id FROM assistants), '', '', '', '', n % 2 = 0,"
        " CASE WHEN n % 2 = 0 THEN now() + (n - 50) * interval '1 second' END FROM generate_series(1, 5000) AS n"
    )
    await pool.execute("ANALYZE crons")
    async with pool.acquire() as connection:
        statement = await connection.prepare(cron_ticks._SQL["claim"])
        plan = await statement.explain("default", datetime(1, 1, 1, tzinfo=UTC), "", analyze=True)
        scan = plan[0]["Plan"]["Plans"][0]["Plans"][0]
    assert (scan["Node Type"], scan["Index Name"], scan["Actual Rows"]) == ("Index Scan", "crons_due", 1)


async def test_one_cron_behind_a_flood_of_another_tenants_ticks_in_the_same_turn(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool, schedule="0 0 1 1 *")
    await pool.execute("INSERT INTO tenants (tenant) VALUES ('small')")
    await pool.execute("SELECT register_default_assistants()")
    await pool.execute(
        "INSERT INTO crons (tenant, cron_id, assistant_id, schedule, time_zone, request, request_digest, next_tick_at)"
        " SELECT CASE n WHEN 300 THEN 'small' ELSE 'default' END, n::text, assistant_id, schedule, time_zone, request,"
        " '', date_trunc('second', now()) - (301 - n) * interval '1 millisecond'"
        " FROM crons, generate_series(1, 300) AS n"
    )
    async with Hints(bus) as hints:
        assert await CronTicks(pool, bus, hints).tick_crons()
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE tenant = 'small'") == 1
    assert 150 < await pool.fetchval("SELECT count(*) FROM runs") < 300


async def test_what_is_not_due_or_disabled_creates_nothing(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool)
    await _cron(pool, enabled=False)
    await _turn(pool, bus)
    assert await _runs(pool) == []


async def test_without_a_thread_each_tick_has_a_thread_of_its_own_or_none(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool, cron_id="kept", run=a_run(on_completion=runs_pb2.ON_COMPLETION_KEEP))
    await _cron(pool, cron_id="deleted")
    for ago in (2 * SECOND, SECOND):
        await _move(pool, ago)
        await _turn(pool, bus)
    runs = await _runs(pool)
    kept = [run["thread_id"] for run in runs if run["cron_id"] == "kept"]
    assert kept == [str(run["run_id"]) for run in runs if run["cron_id"] == "kept"]
    assert len(set(kept)) == await pool.fetchval("SELECT count(*) FROM threads") == 2
    assert [run["thread_id"] for run in runs if run["cron_id"] == "deleted"] == [None, None]


async def test_ticks_on_a_thread_queue_up(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _cron(pool, run=a_run(thread_id="t"))
    for ago in (2 * SECOND, SECOND):
        await _move(pool, ago)
        await _turn(pool, bus)
    assert [run["thread_id"] for run in await _runs(pool)] == ["t", "t"]
    assert await pool.fetchval("SELECT count(*) FROM runs WHERE ready") == 1


async def test_a_tick_that_finds_its_thread_busy_is_missed_with_reject(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _cron(pool, run=a_run(thread_id="t", multitask_strategy=REJECT))
    async with Hints(bus) as hints:
        busy = await Runs(pool, hints).create("default", check(a_run(thread_id="t")))
    await _move(pool)
    await _turn(pool, bus)
    cron = await _stored(pool)
    assert (len(await _runs(pool)), cron["missed_ticks"]) == (1, 1)
    assert cron["next_tick_at"] > cron["now"]
    await end_run(pool, str(busy["run_id"]))
    await _move(pool)
    await _turn(pool, bus)
    assert (len(await _runs(pool)), (await _stored(pool))["missed_ticks"]) == (2, 1)


async def test_the_latest_version_of_the_assistant_runs(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool, "helper")
    await _cron(pool, run=a_run(assistant_id="helper"))
    await make_assistant(pool, "helper", version=2)
    await _move(pool)
    await _turn(pool, bus)
    assert [run["assistant_version"] for run in await _runs(pool)] == [2]


async def test_without_its_assistant_a_cron_stays_and_misses_its_tick(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool)
    await make_assistant(pool, "other", graph_id="other")
    gone = a_run(assistant_id="nobody").SerializeToString()
    await pool.execute("UPDATE crons SET request = $1", gone)
    await _move(pool)
    await _turn(pool, bus)
    cron = await _stored(pool)
    assert (await _runs(pool), cron["missed_ticks"]) == ([], 1)
    assert cron["next_tick_at"] > cron["now"]


async def test_one_cron_that_can_not_tick_does_not_hold_up_the_others(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool, cron_id="a-broken")
    await _cron(pool, cron_id="b-sound")
    await pool.execute("UPDATE crons SET time_zone = 'Mars' WHERE cron_id = 'a-broken'")
    await _move(pool)
    await _turn(pool, bus)
    assert [run["cron_id"] for run in await _runs(pool)] == ["b-sound"]


async def test_a_cron_waits_while_its_thread_is_being_changed(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    await _cron(pool, run=a_run(thread_id="t"))
    await _move(pool)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM threads FOR UPDATE")
        async with asyncio.timeout(5):
            await _turn(pool, bus)
        assert await _runs(pool) == []
    await _turn(pool, bus)
    assert len(await _runs(pool)) == 1


async def test_a_thread_is_deleted_while_its_cron_ticks(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    for number in range(20):
        await make_thread(pool, f"t{number}")
        await _cron(pool, run=a_run(thread_id=f"t{number}"))
    await _move(pool)

    async def delete(thread_id: str) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM threads WHERE thread_id = $1 FOR UPDATE", thread_id)
            await connection.execute("DELETE FROM runs WHERE thread_id = $1", thread_id)
            await connection.execute("DELETE FROM threads WHERE thread_id = $1", thread_id)

    async with asyncio.timeout(20):
        await asyncio.gather(_turn(pool, bus), _turn(pool, bus), *(delete(f"t{number}") for number in range(20)))
    assert await pool.fetchval("SELECT (SELECT count(*) FROM crons) + (SELECT count(*) FROM runs)") == 0


@pytest.mark.parametrize("replicas", [2, 4])
async def test_many_clockworks_at_once_create_one_run_a_tick(
    pool: Pool, bus: Bus, settings: Settings, replicas: int
) -> None:
    await make_assistant(pool)
    await make_thread(pool, "t")
    crons = [await _cron(pool, run=a_run(thread_id="t" if number % 2 else "")) for number in range(12)]
    for ago in (4 * SECOND, 3 * SECOND, 2 * SECOND):
        await _move(pool, ago)
        while await pool.fetchval("SELECT count(*) FROM crons WHERE next_tick_at <= now()"):
            await asyncio.gather(*(_turn(pool, bus) for _ in range(replicas)))
    runs = [run["cron_id"] for run in await _runs(pool)]
    assert sorted(runs) == sorted(crons * 3)
    assert await pool.fetchval("SELECT sum(missed_ticks) FROM crons") == 0


async def test_replicas_that_turn_by_themselves_create_one_run_a_tick(
    pool: Pool, bus: Bus, settings: Settings, soon: Any
) -> None:
    await make_assistant(pool)
    crons = [await _cron(pool) for _ in range(5)]
    async with clockwork.turning(pool, bus, settings), clockwork.turning(pool, bus, settings):
        for ago in (3 * SECOND, 2 * SECOND, SECOND):
            await _move(pool, ago)

            async def passed_on() -> bool:
                return bool(await pool.fetchval("SELECT bool_and(next_tick_at > now()) FROM crons"))

            await soon(passed_on)
    assert sorted(run["cron_id"] for run in await _runs(pool)) == sorted(crons * 3)


async def test_a_tick_that_comes_again_creates_no_second_run(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool)
    tick = await _move(pool)
    await _turn(pool, bus)
    await pool.execute("UPDATE crons SET next_tick_at = $1", tick)
    await _turn(pool, bus)
    assert len(await _runs(pool)) == 1


async def test_a_crash_before_the_commit_leaves_the_tick_due(
    pool: Pool, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_assistant(pool)
    await _cron(pool)
    tick = await _move(pool)
    create = Runs.create

    async def create_and_crash(*args: Any) -> Any:
        await create(*args)
        raise ConnectionResetError

    monkeypatch.setattr(Runs, "create", create_and_crash)
    with pytest.raises(ConnectionResetError):
        await _turn(pool, bus)
    monkeypatch.undo()
    assert (await _runs(pool), (await _stored(pool))["next_tick_at"]) == ([], tick)
    waiter = bus.waiter()
    assert not await waiter.pop([bus.keys.wake(GRAPH)], 0.05)
    await waiter.aclose()
    await _turn(pool, bus)
    assert len(await _runs(pool)) == 1


async def test_missed_ticks_create_one_run_and_are_counted(pool: Pool, bus: Bus, settings: Settings, soon: Any) -> None:
    await make_assistant(pool)
    cron_id = await _cron(pool, schedule="* * * * *")
    now = await pool.fetchval("SELECT date_trunc('minute', now())")
    first = now - 5 * MINUTE
    await pool.execute("UPDATE crons SET next_tick_at = $1", first)
    async with clockwork.turning(pool, bus, settings):

        async def passed_on() -> bool:
            return bool(await pool.fetchval("SELECT next_tick_at > now() FROM crons"))

        await soon(passed_on)
    runs = {run["run_id"] for run in await _runs(pool)}
    assert run_id_of("default", cron_id, first) in runs
    # A minute may have begun during the test.
    cron = await _stored(pool)
    assert len(runs) + cron["missed_ticks"] == (cron["next_tick_at"] - first) / MINUTE
    assert (len(runs), cron["missed_ticks"]) in {(1, 5), (2, 5), (1, 6)}


async def test_every_second_has_its_run_while_the_clock_turns(
    pool: Pool, bus: Bus, settings: Settings, soon: Any
) -> None:
    await make_assistant(pool)
    await _cron(pool, schedule="* * * * * *")
    first = (await _stored(pool))["next_tick_at"]
    async with clockwork.turning(pool, bus, settings):

        async def four() -> bool:
            return len(await _runs(pool)) >= 4

        await soon(four)
    cron = await _stored(pool)
    assert len(await _runs(pool)) == (cron["next_tick_at"] - first) / SECOND
    assert cron["missed_ticks"] == 0


async def test_after_the_end_there_is_no_tick(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + 40 * 24 * 60 * MINUTE)
    await _cron(pool, end_time=end)
    await pool.execute(
        "UPDATE crons SET end_at = now() + interval '1 second', next_tick_at = now() - interval '1 second'"
    )
    await _turn(pool, bus)
    assert (len(await _runs(pool)), (await _stored(pool))["next_tick_at"]) == (1, None)


async def test_a_tick_that_was_due_before_the_end_is_made_up_for(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    await _cron(pool, schedule="* * * * *")
    now = await pool.fetchval("SELECT date_trunc('minute', now())")
    await pool.execute("UPDATE crons SET end_at = $1, next_tick_at = $2", now - 60 * MINUTE, now - 62 * MINUTE)
    await _turn(pool, bus)
    cron = await _stored(pool)
    assert (len(await _runs(pool)), cron["next_tick_at"], cron["missed_ticks"]) == (1, None, 2)


async def test_a_deleted_crons_runs_stay(pool: Pool, bus: Bus) -> None:
    await make_assistant(pool)
    cron_id = await _cron(pool)
    await _move(pool)
    await _turn(pool, bus)
    await Crons(pool).delete("default", cron_id)
    (run,) = await _runs(pool)
    assert (run["cron_id"], isinstance(run["run_id"], UUID)) == (cron_id, True)
