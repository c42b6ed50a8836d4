"""StreamRun while nothing breaks: replay, live, resumption, filters, heartbeats and ends."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from runwire.core.run_message import STATUSES
from tests.stream.conftest import Follow
from tests.stream.producer import Producer, play, play_until

ONE_SECOND = Duration(seconds=1)


@pytest.mark.parametrize("seed", range(10))
async def test_readers_that_join_at_any_moment_see_every_event_once_and_in_order(
    producer: Producer, follow: Follow, seed: int
) -> None:
    rng = random.Random(seed)
    run_id = await producer.create()
    readers = [follow(run_id)]
    attempt = await producer.claim(run_id)
    playing = asyncio.create_task(play(attempt, rng, 300))
    while not playing.done():
        readers.append(follow(run_id))
        await asyncio.sleep(rng.random() * 0.015)
    await playing
    readers += [follow(run_id) for _ in range(3)]
    for number, reader in enumerate(readers):
        await reader.end()
        assert reader.ids == attempt.sent, f"seed {seed}, reader {number} of {len(readers)}"
        assert (reader.kinds[0], reader.kinds[-1]) == ("started", "finished")
        assert "gap" not in reader.kinds


async def test_a_stream_goes_on_after_every_event_id(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    await play(attempt, random.Random(5), 40)
    for number, event_id in enumerate(attempt.sent):
        reader = await follow(attempt.run_id, after_event_id=event_id).end()
        assert reader.ids == attempt.sent[number + 1 :]


async def test_a_stream_resumed_while_the_run_goes_on_has_the_rest(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    first = follow(attempt.run_id)
    stop = asyncio.Event()
    playing = asyncio.create_task(play_until(attempt, random.Random(6), stop))
    parts: list[str] = []
    for _ in range(10):
        reader = follow(attempt.run_id, after_event_id=parts[-1] if parts else "")
        await reader.until(lambda r: len(r.ids) > 5)
        reader.call.cancel()
        parts += reader.ids
    stop.set()
    await playing
    parts += (await follow(attempt.run_id, after_event_id=parts[-1]).end()).ids
    assert parts == attempt.sent == (await first.end()).ids


async def test_a_log_of_many_pages_is_replayed_whole(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    await attempt.started()
    for _ in range(600):
        large = stream_pb2.Values(values=Json(text='"' + "x" * 5000 + '"'))
        await attempt.emit(attempt.event(values=large), publish=False)
        await attempt.flush()
    await attempt.finish()
    reader = await follow(attempt.run_id).end()
    assert reader.ids == attempt.sent
    assert reader.responses > 10


async def test_an_event_of_a_megabyte_comes_through_live_and_replayed(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    live = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.custom('"' + "x" * 2_000_000 + '"')
    await attempt.custom()
    await attempt.finish()
    assert (await live.end()).ids == (await follow(attempt.run_id).end()).ids == attempt.sent


async def test_a_takeover_shows_the_old_claims_log_and_then_the_new_attempt(producer: Producer, follow: Follow) -> None:
    run_id = await producer.create()
    early = await follow(run_id).joined()
    first = await producer.claim(run_id)
    await first.started()
    for _ in range(5):
        await first.custom()
    await first.flush()
    mid = await follow(run_id).has("1-6")
    await first.custom(publish=False)
    await first.flush()
    await producer.release(first)
    second = await producer.claim(run_id)
    await second.started()
    await second.custom()
    await second.finish()
    late = follow(run_id)
    for reader in (early, mid, late):
        assert (await reader.end()).ids == first.sent + second.sent
        assert "gap" not in reader.kinds
    resumed = await follow(run_id, after_event_id="1-3").end()
    assert resumed.ids == first.sent[3:] + second.sent


async def test_a_dead_claims_late_events_are_not_shown_after_the_new_claims(producer: Producer, follow: Follow) -> None:
    run_id = await producer.create()
    reader = await follow(run_id).joined()
    first = await producer.claim(run_id)
    await first.started()
    await first.flush()
    await producer.release(first)
    second = await producer.claim(run_id)
    await second.started()
    await reader.has("2-1")
    await first.custom()
    await second.custom()
    await second.finish()
    assert (await reader.end()).ids == ["1-1", "2-1", "2-2", "2-3"]


async def test_a_lost_last_event_is_found_without_another_event(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.custom(publish=False)
    await attempt.finish(publish=False)
    assert (await reader.end()).ids == attempt.sent


async def test_a_lost_middle_event_is_read_from_the_log(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    async with attempt.flushing():
        await attempt.started()
        await attempt.custom(publish=False)
        await attempt.custom()
        await reader.has("1-3")
        await attempt.finish()
    assert (await reader.end()).ids == attempt.sent
    assert "gap" not in reader.kinds


async def test_an_event_that_was_neither_heard_nor_logged_is_a_gap(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    live = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.flush()
    await attempt.custom(publish=False, log=False)
    await attempt.custom(publish=False, log=False)
    await attempt.custom()
    await attempt.flush()
    await attempt.finish()
    for reader in (live, follow(attempt.run_id)):
        await reader.end()
        assert reader.ids == ["1-1", "1-4", "1-5"]
        assert reader.kinds == ["started", "gap", "custom", "finished"]
        gap = reader.events[1]
        assert gap.event_id == "1-1"
        assert gap.run_id == str(attempt.run_id)
        assert (gap.gap.reason, gap.gap.missing) == (stream_pb2.GAP_REASON_LOST, 2)


async def test_a_hole_of_a_worker_that_died_is_a_gap(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.custom(publish=False, log=False)
    await attempt.custom(log=False)
    await producer.release(attempt)
    await reader.has("1-3")
    assert reader.kinds == ["started", "gap", "custom"]
    second = await producer.claim(attempt.run_id)
    await second.started()
    await second.finish()
    assert (await reader.end()).ids == ["1-1", "1-3", "2-1", "2-2"]


async def test_only_the_wanted_events_come_and_the_rest_is_no_gap(producer: Producer, follow: Follow) -> None:
    rng = random.Random(3)
    attempt = await producer.begin()
    filters = {
        "stream_modes": [run_pb2.STREAM_MODE_CUSTOM, run_pb2.STREAM_MODE_UPDATES],
        "namespaces": [stream_pb2.Namespace(path=["sub"])],
    }
    everything = follow(attempt.run_id)
    live = await follow(attempt.run_id, **filters).joined()
    await play(attempt, rng, 200)
    await everything.end()
    wanted = [
        event.event_id
        for event in everything.events
        if event.WhichOneof("payload") in ("started", "finished")
        or (event.WhichOneof("payload") in ("custom", "update") and event.namespace[:1] == ["sub:1"])
    ]
    assert 5 < len(wanted) < 100
    for reader in (live, follow(attempt.run_id, **filters)):
        await reader.end()
        assert reader.ids == wanted
        assert reader.kinds[0] == "started"
        assert "gap" not in reader.kinds


async def test_a_heartbeat_carries_the_newest_id_also_of_an_event_that_was_not_wanted(
    producer: Producer, follow: Follow
) -> None:
    attempt = await producer.begin()
    reader = await follow(
        attempt.run_id, heartbeat_interval=ONE_SECOND, stream_modes=[run_pb2.STREAM_MODE_VALUES]
    ).joined()
    await attempt.started()
    await attempt.custom()
    await reader.until(lambda r: "heartbeat" in r.kinds)
    assert reader.events[-1].event_id == "1-2"
    await attempt.finish()
    await reader.end()
    assert reader.ids == ["1-1", "1-3"]


async def test_a_heartbeat_before_the_first_event_has_no_id(producer: Producer, follow: Follow) -> None:
    run_id = await producer.create(thread_id="t")
    reader = await follow(run_id, heartbeat_interval=ONE_SECOND).until(lambda r: len(r.events) == 2)
    assert reader.kinds == ["heartbeat", "heartbeat"]
    assert {event.event_id for event in reader.events} == {""}
    assert {event.thread_id for event in reader.events} == {"t"}


async def test_a_run_cancelled_while_it_was_pending_has_finished_alone(producer: Producer, follow: Follow) -> None:
    run_id = await producer.create()
    waiting = await follow(run_id).joined()
    assert await producer.cancel(run_id) == "cancelled"
    for reader in (waiting, follow(run_id)):
        await reader.end()
        assert reader.kinds == ["finished"]
        assert reader.events[0].finished.status == run_pb2.RUN_STATUS_CANCELLED
        assert reader.events[0].HasField("event_time")
    resumed = await follow(run_id, after_event_id=waiting.ids[0]).end()
    assert resumed.events == []


async def test_a_run_that_ended_after_its_worker_died_has_one_derived_end(
    producer: Producer, follow: Follow, pool: Pool
) -> None:
    attempt = await producer.begin()
    live = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.flush()
    await attempt.custom(log=False)
    await live.has("1-2")
    await producer.release(attempt)
    await producer.cancel(attempt.run_id)
    late = await follow(attempt.run_id).end()
    assert (await live.end()).ids == ["1-1", "1-2", late.ids[-1]]
    assert late.ids == ["1-1", late.ids[-1]]
    assert late.ids[-1] not in ("1-1", "1-2")
    resumed = await follow(attempt.run_id, after_event_id="1-2").end()
    assert resumed.ids == late.ids[-1:]


async def test_a_failed_runs_derived_end_tells_the_error(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin()
    await attempt.started()
    await attempt.finish("error", error=("ValueError", "no"), log=False, publish=False)
    finished = (await follow(attempt.run_id).end()).events[-1].finished
    assert finished.status == run_pb2.RUN_STATUS_ERROR
    assert (finished.error.type, finished.error.message) == ("ValueError", "no")


async def test_a_rolled_back_runs_stream_ends_with_its_removal(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin(thread_id="t")
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await reader.has("1-1")
    await producer.cancel(attempt.run_id, "rollback")
    await producer.release(attempt)
    await reader.end()
    assert reader.kinds == ["started", "finished"]
    finished = reader.events[-1].finished
    assert finished.rolled_back
    assert finished.status == run_pb2.RUN_STATUS_CANCELLED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(attempt.run_id, after_event_id="1-1").end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("status", "error"), [("success", None), ("error", ("ValueError", "no")), ("timeout", ("RunTimeout", "no"))]
)
async def test_a_reader_of_a_run_that_was_deleted_after_its_end_is_told_that_end_behind_a_gap(
    producer: Producer, follow: Follow, pool: Pool, status: str, error: tuple[str, str] | None
) -> None:
    attempt = await producer.begin()
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await reader.has("1-1")
    await attempt.finish(status, error=error, publish=False)
    await pool.execute("DELETE FROM runs WHERE run_id = $1", attempt.run_id)
    await reader.end()
    assert reader.kinds == ["started", "gap", "finished"]
    assert reader.events[1].gap == stream_pb2.Gap(reason=stream_pb2.GAP_REASON_LOST)
    finished = reader.events[-1].finished
    assert (STATUSES[status], error is not None) == (finished.status, finished.HasField("error"))
    assert finished.error.type == ("Deleted" if error else "")
    assert not finished.rolled_back


async def test_a_run_that_was_cancelled_before_it_began_and_deleted_is_told_as_cancelled(
    producer: Producer, follow: Follow, pool: Pool
) -> None:
    run_id = await producer.create()
    reader = await follow(run_id, heartbeat_interval=ONE_SECOND).joined()
    await reader.until(lambda r: "heartbeat" in r.kinds)
    await pool.fetchval("SELECT outcome FROM cancel_run('default', $1, 'interrupt')", run_id)
    await pool.execute("DELETE FROM runs WHERE run_id = $1", run_id)
    await reader.end()
    assert reader.events[-1].finished == stream_pb2.Finished(status=run_pb2.RUN_STATUS_CANCELLED)


async def test_a_reader_that_has_seen_how_a_run_ended_is_told_it_also_when_the_run_is_deleted(
    producer: Producer, follow: Follow, pool: Pool
) -> None:
    attempt = await producer.begin()
    await attempt.started()
    for _ in range(12):
        await attempt.custom(f'"{"x" * 500_000}"')
        await attempt.flush()
    await attempt.finish("error", error=("ValueError", "no"))
    reader = follow(attempt.run_id)
    reader.may_read.clear()
    await reader.joined()
    await reader.has("1-1")
    await pool.execute("DELETE FROM runs WHERE run_id = $1", attempt.run_id)
    reader.may_read.set()
    await reader.end()
    assert reader.kinds[-2:] == ["gap", "finished"]
    assert reader.events[-1].finished.error.type == "ValueError"


async def test_an_unlogged_run_is_complete_for_who_listened_from_the_start(producer: Producer, follow: Follow) -> None:
    run_id = await producer.create(event_log=False)
    reader = await follow(run_id).joined()
    attempt = await producer.claim(run_id)
    await play(attempt, random.Random(2), 100)
    assert (await reader.end()).ids == attempt.sent
    assert "gap" not in reader.kinds


async def test_what_is_missing_of_an_unlogged_run_is_a_gap(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin(event_log=False)
    await attempt.started()
    await attempt.custom()
    reader = await follow(attempt.run_id).joined()
    await attempt.custom()
    await attempt.custom(publish=False)
    await attempt.custom()
    await attempt.finish()
    await reader.end()
    assert reader.kinds == ["gap", "custom", "gap", "custom", "finished"]
    assert [(e.event_id, e.gap.missing) for e in reader.events if e.HasField("gap")] == [("", 2), ("1-3", 1)]
    assert {e.gap.reason for e in reader.events if e.HasField("gap")} == {stream_pb2.GAP_REASON_NOT_LOGGED}
    late = await follow(attempt.run_id).end()
    assert late.kinds == ["gap", "finished"]
    assert late.events[0].gap.reason == stream_pb2.GAP_REASON_NOT_LOGGED


async def test_an_unlogged_runs_lost_end_is_found(producer: Producer, follow: Follow) -> None:
    attempt = await producer.begin(event_log=False)
    reader = await follow(attempt.run_id).joined()
    await attempt.started()
    await attempt.finish(publish=False)
    await reader.end()
    assert reader.kinds == ["started", "gap", "finished"]


async def test_expired_events_are_a_gap_or_a_refusal(producer: Producer, follow: Follow, pool: Pool) -> None:
    attempt = await producer.begin()
    await play(attempt, random.Random(1), 10)
    await pool.execute("DELETE FROM run_events")
    await pool.execute("UPDATE runs SET events_expired = true")
    reader = await follow(attempt.run_id).end()
    assert reader.kinds == ["gap", "finished"]
    assert reader.events[0].gap.reason == stream_pb2.GAP_REASON_EXPIRED
    assert reader.events[1].finished.status == run_pb2.RUN_STATUS_SUCCESS
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(attempt.run_id, after_event_id="1-3").end()
    assert refused.value.code() == grpc.StatusCode.OUT_OF_RANGE


async def test_another_tenants_run_is_not_there(producer: Producer, follow: Follow, pool: Pool) -> None:
    run_id = await producer.create()
    await pool.execute("UPDATE runs SET tenant = 'other' WHERE run_id = $1", run_id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await follow(run_id).end()
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
