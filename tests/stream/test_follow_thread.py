"""StreamThread: the runs of a thread one after another, those to come as well."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.stream.v1.stream_pb2 import Finished
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.api.type.v1 import run_pb2
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.embedded import Redis
from runwire.stream.__main__ import running
from tests.stream.conftest import FollowThread, stream_process
from tests.stream.producer import Attempt, Producer, play, play_until
from tests.stream.reader import ThreadReader

ONE_SECOND = Duration(seconds=1)
THREAD = "t"


async def _play(producer: Producer, count: int = 20, seed: int = 1) -> Attempt:
    """A whole run of the thread."""
    attempt = await producer.begin(thread_id=THREAD)
    await play(attempt, random.Random(seed), count)
    return attempt


async def _idle_thread(pool: Pool) -> None:
    await pool.execute("INSERT INTO threads (thread_id) VALUES ($1)", THREAD)


async def test_the_runs_of_a_thread_follow_one_another(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD).joined()
    attempts = [await _play(producer, seed=seed) for seed in range(3)]
    await reader.has_own(*attempts)
    assert reader.kinds.count("started") == reader.kinds.count("finished") == 3
    assert "gap" not in reader.kinds
    assert len(set(reader.ids)) == len(reader.ids)


async def test_a_stream_begins_with_the_run_that_is_active(producer: Producer, follow_thread: FollowThread) -> None:
    await _play(producer)
    active = await producer.begin(thread_id=THREAD)
    await active.started()
    await active.flush()
    reader = await follow_thread(THREAD).has_own(active)
    await active.custom()
    await active.finish()
    await reader.has_own(active)


async def test_runs_that_were_queued_come_in_the_order_of_their_beginning(
    producer: Producer, follow_thread: FollowThread
) -> None:
    queued = [await producer.create(thread_id=THREAD) for _ in range(4)]
    reader = await follow_thread(THREAD).joined()
    attempts = []
    for run_id in (queued[0], queued[2], queued[1], queued[3]):
        attempts.append(await producer.claim(run_id))
        await play(attempts[-1], random.Random(7), 10)
    await reader.has_own(*attempts)


async def test_a_run_that_waits_is_heard_from_its_first_event_on(
    producer: Producer, follow_thread: FollowThread
) -> None:
    run_id = await producer.create(thread_id=THREAD, event_log=False)
    reader = await follow_thread(THREAD, heartbeat_interval=ONE_SECOND).until(lambda r: "heartbeat" in r.kinds)
    attempt = await producer.claim(run_id)
    await play(attempt, random.Random(3), 30)
    await reader.has_own(attempt)
    assert "gap" not in reader.kinds


async def test_a_stream_goes_on_after_every_event_id(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    first = await follow_thread(THREAD).joined()
    attempts = [await _play(producer, 8) for _ in range(2)]
    waiting = await producer.create(thread_id=THREAD)
    await producer.cancel(waiting)
    attempts.append(await _play(producer, 8))
    await first.until(lambda r: len(r.ids) == 25)
    assert [e.run_id for e in first.events if e.HasField("finished")] == [
        str(run_id) for run_id in (attempts[0].run_id, attempts[1].run_id, waiting, attempts[2].run_id)
    ]
    for number, event_id in enumerate(first.ids[:-1]):
        async with follow_thread(THREAD, after_event_id=event_id) as reader:
            await reader.until(lambda r, rest=24 - number: len(r.ids) >= rest)  # type: ignore[misc]
            assert reader.ids == first.ids[number + 1 :]


async def test_a_stream_resumed_at_any_moment_has_the_rest(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    whole = await follow_thread(THREAD).joined()
    reader = await follow_thread(THREAD).joined()
    parts: list[str] = []
    attempts = []
    for seed in range(3):
        attempt = await producer.begin(thread_id=THREAD)
        attempts.append(attempt)
        stop = asyncio.Event()
        playing = asyncio.create_task(play_until(attempt, random.Random(seed), stop))
        for _ in range(4):
            await reader.until(lambda r: len(r.ids) > 5)
            reader.call.cancel()
            parts += reader.ids
            reader = follow_thread(THREAD, after_event_id=parts[-1])
        stop.set()
        await playing
    await whole.has_own(*attempts)
    await reader.until(lambda r: len(parts) + len(r.ids) >= len(whole.ids))
    assert parts + reader.ids == whole.ids


async def _work(producer: Producer, pool: Pool, claiming: asyncio.Lock, done: asyncio.Event) -> None:
    """A worker that executes whatever is ready, until there is nothing left."""
    while True:
        was_done = done.is_set()
        async with claiming:
            run_id = await pool.fetchval("SELECT run_id FROM runs WHERE ready")
            attempt = await producer.claim(run_id) if run_id else None
        if attempt is not None:
            await play(attempt, random.Random(1), 4)
        elif was_done:
            return
        else:
            await asyncio.sleep(0.005)


async def _create_and_cancel(producer: Producer, claiming: asyncio.Lock, rng: random.Random) -> list[str]:
    """Runs of the thread, some of which are cancelled while they wait."""
    created = []
    for _ in range(60):
        created.append(await producer.create(thread_id=THREAD))
        if rng.random() < 0.4:
            chosen = rng.choice(created[-4:])
            async with claiming:
                status = await producer.pool.fetchval("SELECT status FROM runs WHERE run_id = $1", chosen)
                if status == "pending":
                    await producer.cancel(chosen)
        await asyncio.sleep(rng.choice([0, 0, 0.005, 0.05]))
    return [str(run_id) for run_id in created]


@pytest.mark.parametrize("seed", range(3))
async def test_each_run_is_told_once_while_others_come_and_are_cancelled(
    producer: Producer, follow_thread: FollowThread, pool: Pool, seed: int
) -> None:
    rng = random.Random(seed)
    await _idle_thread(pool)
    whole, reader = await follow_thread(THREAD).joined(), await follow_thread(THREAD).joined()
    parts: list[str] = []
    claiming, done = asyncio.Lock(), asyncio.Event()
    working = asyncio.create_task(_work(producer, pool, claiming, done))
    creating = asyncio.create_task(_create_and_cancel(producer, claiming, rng))
    while not creating.done():
        more = rng.randrange(1, 12)
        await reader.until(lambda r, more=more: len(r.ids) >= more or creating.done())  # type: ignore[misc]
        reader.call.cancel()
        parts += reader.ids
        reader = follow_thread(THREAD, after_event_id=parts[-1])
        await asyncio.sleep(rng.choice([0, 0.02]))
    done.set()
    await working
    created = await creating
    await whole.until(lambda r: r.kinds.count("finished") == len(created))
    ends = [event.run_id for event in whole.events if event.HasField("finished")]
    assert sorted(ends) == sorted(created)
    assert len(set(whole.ids)) == len(whole.ids)
    await reader.until(lambda r: len(parts) + len(r.ids) >= len(whole.ids))
    assert parts + reader.ids == whole.ids


async def test_runs_of_many_pages_are_caught_up_with(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD, heartbeat_interval=ONE_SECOND).until(lambda r: "heartbeat" in r.kinds)
    token = reader.events[-1].event_id
    attempts = []
    for _ in range(130):
        attempt = await producer.begin(thread_id=THREAD)
        await attempt.started()
        await attempt.finish()
        attempts.append(attempt)
    await (await follow_thread(THREAD, after_event_id=token).joined()).has_own(*attempts)
    await reader.has_own(*attempts)


async def test_heartbeats_between_runs_resume_after_the_last_event(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD, heartbeat_interval=ONE_SECOND).until(lambda r: "heartbeat" in r.kinds)
    assert reader.events[0].event_id
    assert (reader.events[0].run_id, reader.events[0].thread_id) == ("", THREAD)
    first = await _play(producer, 5)
    await reader.until(lambda r: r.kinds[-2:] == ["finished", "heartbeat"])
    assert reader.events[-1].event_id == reader.ids[-1]
    second = await _play(producer, 5)
    before = await follow_thread(THREAD, after_event_id=reader.events[0].event_id).joined()
    await before.has_own(first, second)
    resumed = await follow_thread(THREAD, after_event_id=first_end(reader)).joined()
    await resumed.has_own(second)


def first_end(reader: ThreadReader) -> str:
    return next(event.event_id for event in reader.events if event.HasField("finished"))


async def test_only_the_lifecycle_comes_when_that_is_wanted(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD, lifecycle_only=True).joined()
    for _ in range(2):
        await _play(producer)
    await reader.until(lambda r: len(r.events) == 4)
    assert reader.kinds == ["started", "finished"] * 2


async def test_only_the_wanted_modes_come(producer: Producer, follow_thread: FollowThread, pool: Pool) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD, stream_modes=[run_pb2.STREAM_MODE_CUSTOM]).joined()
    await _play(producer, 60)
    await reader.until(lambda r: "finished" in r.kinds)
    assert set(reader.kinds) == {"started", "custom", "finished"}


async def test_a_run_that_was_cancelled_before_it_began_has_finished_alone(
    producer: Producer, follow_thread: FollowThread
) -> None:
    run_id = await producer.create(thread_id=THREAD)
    reader = await follow_thread(THREAD).joined()
    await producer.cancel(run_id)
    await reader.until(lambda r: bool(r.events))
    assert [(e.run_id, e.WhichOneof("payload")) for e in reader.events] == [(str(run_id), "finished")]


async def test_an_early_end_does_not_overtake_the_run_that_is_being_claimed(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    head, behind = [await producer.create(thread_id=THREAD) for _ in range(2)]
    reader = await follow_thread(THREAD).joined()
    attempt_began = await pool.fetchval("SELECT now()")
    await producer.cancel(behind)
    attempt = await producer.claim(head)
    await pool.execute("UPDATE runs SET began_at = $2 WHERE run_id = $1", head, attempt_began)
    await play(attempt, random.Random(1), 5)
    await reader.until(lambda r: len(r.ids) == 6)
    assert [e.run_id for e in reader.events] == [str(head)] * 5 + [str(behind)]


async def test_a_retried_run_stays_one_run_with_the_ids_that_it_had(
    producer: Producer, follow_thread: FollowThread
) -> None:
    run_id = await producer.create(thread_id=THREAD)
    early = await follow_thread(THREAD).joined()
    first = await producer.claim(run_id)
    await first.started()
    await first.flush()
    await early.until(lambda r: len(r.ids) == 1)
    await producer.release(first)
    second = await producer.claim(run_id)
    late = await follow_thread(THREAD).joined()
    await second.started()
    await second.finish()
    for reader in (early, late):
        await reader.has_own(first, second)
    assert early.ids == late.ids


async def test_a_stream_outlives_a_run_that_was_rolled_back(producer: Producer, follow_thread: FollowThread) -> None:
    undone = await producer.begin(thread_id=THREAD)
    reader = await follow_thread(THREAD).joined()
    await undone.started()
    await undone.flush()
    await reader.until(lambda r: len(r.ids) == 1)
    await producer.cancel(undone.run_id, "rollback")
    await producer.release(undone)
    await reader.until(lambda r: len(r.ids) == 2)
    assert reader.events[-1].finished.rolled_back
    nothing_missed = await follow_thread(THREAD, after_event_id=reader.ids[1]).joined()
    end_missed = await follow_thread(THREAD, after_event_id=reader.ids[0]).joined()
    after = await _play(producer, 5)
    await nothing_missed.has_own(after)
    await end_missed.until(lambda r: len(r.ids) == 6)
    assert end_missed.events[0].finished.rolled_back
    assert end_missed.events[0].run_id == str(undone.run_id)
    assert end_missed.ids[0] == reader.ids[1]


async def test_a_stream_outlives_a_run_that_was_deleted_after_its_end(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    deleted = await producer.begin(thread_id=THREAD)
    reader = await follow_thread(THREAD).joined()
    await deleted.started()
    await deleted.flush()
    await reader.until(lambda r: len(r.ids) == 1)
    await deleted.finish(publish=False)
    await pool.execute("DELETE FROM runs WHERE run_id = $1", deleted.run_id)
    await reader.until(lambda r: r.kinds == ["started", "gap", "finished"])
    late = await follow_thread(THREAD, after_event_id=reader.ids[0]).joined()
    await late.until(lambda r: r.kinds == ["gap", "finished"])
    for each in (reader, late):
        assert each.events[-1].finished == Finished(status=run_pb2.RUN_STATUS_SUCCESS)
        assert each.events[-1].event_id == reader.events[-1].event_id
    after = await _play(producer, 5)
    for each in (reader, late):
        await each.until(lambda r: r.events[-1].run_id == str(after.run_id) and r.kinds[-1] == "finished")


async def test_a_thread_that_is_not_there_is_not_found(follow_thread: FollowThread) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow_thread("nobody").end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert "nobody" in (refused.value.details() or "")


async def test_a_thread_that_is_deleted_ends_its_stream(follow_thread: FollowThread, pool: Pool) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD).joined()
    await pool.execute("DELETE FROM threads")
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await reader.end()
    assert ended.value.code() == grpc.StatusCode.NOT_FOUND


async def test_another_tenants_thread_is_not_there(follow_thread: FollowThread, pool: Pool) -> None:
    await pool.execute("INSERT INTO threads (tenant, thread_id) VALUES ('other', $1)", THREAD)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow_thread(THREAD).end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_an_event_id_of_another_thread_is_refused(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    elsewhere = await producer.begin(thread_id="elsewhere")
    token = f"{elsewhere.run_id}:1-1:5"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow_thread(THREAD, after_event_id=token).end()
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_event_id_of_expired_events_is_refused(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    attempt = await _play(producer, 5)
    await pool.execute("DELETE FROM run_events")
    await pool.execute("UPDATE runs SET events_expired = true")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow_thread(THREAD, after_event_id=f"{attempt.run_id}:1-2:5").end()
    assert refused.value.code() == grpc.StatusCode.OUT_OF_RANGE


async def test_a_process_that_drains_ends_its_threads_streams(
    producer: Producer, settings: Settings, pool: Pool
) -> None:
    await _idle_thread(pool)
    settings = settings.model_copy(update={"shutdown_grace": timedelta(seconds=5)})
    async with asyncio.timeout(4), running(settings) as port:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        reader = await ThreadReader(StreamServiceStub(channel), THREAD).joined()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await reader.end()
    assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "shutting down" in (ended.value.details() or "")
    await channel.close()


async def test_a_threads_stream_lives_through_the_death_of_redis(
    pool: Pool, settings: Settings, own_redis: Redis
) -> None:
    settings = settings.model_copy(update={"redis_uri": own_redis.uri})
    await _idle_thread(pool)
    async with Bus(settings) as bus, stream_process(settings) as stub:
        producer = Producer(pool, bus, settings)
        reader = await ThreadReader(stub, THREAD).joined()
        first = await _play(producer, 10)
        await reader.has_own(first)
        await own_redis.kill()
        second = await _play(producer, 10)
        await reader.has_own(first, second)
        await own_redis.start()
        third = await _play(producer, 10)
        await reader.has_own(first, second, third)


async def test_terminated_postgres_connections_lose_nothing(
    producer: Producer, follow_thread: FollowThread, pool: Pool
) -> None:
    await _idle_thread(pool)
    reader = await follow_thread(THREAD).joined()
    attempts = []
    for seed in range(6):
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'runwire-stream'"
        )
        attempts.append(await _play(producer, 10, seed))
    await reader.has_own(*attempts)


async def test_a_thread_with_an_id_of_any_form_is_followed(producer: Producer, follow_thread: FollowThread) -> None:
    name = f"user:1.{new_uuid()}_x"
    run_id = await producer.create(thread_id=name)
    reader = await follow_thread(name).joined()
    attempt = await producer.claim(run_id)
    await attempt.started()
    await attempt.finish()
    await reader.has_own(attempt)
    assert {event.thread_id for event in reader.events} <= {"", name}
