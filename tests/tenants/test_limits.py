"""A tenant that has what it may have is refused more, with the time to try again; others are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_status import rpc_status

from runwire.api.dispatch.v1.crons_pb2 import CreateCronRequest
from runwire.api.dispatch.v1.runs_pb2 import BatchCreateRunsRequest, CountRunsRequest, GetRunRequest
from runwire.api.resource.v1.threads_pb2 import GetThreadRequest
from runwire.api.stream.v1.stream_pb2 import StreamRunRequest, StreamThreadRequest, WaitRunRequest
from runwire.api.type.v1 import run_pb2
from runwire.core.bus import Bus
from runwire.core.ids import new_uuid
from runwire.core.limits import TenantLimits
from runwire.core.settings import Settings
from runwire.dispatch.cron_requests import check_create
from runwire.dispatch.cron_ticks import CronTicks
from runwire.dispatch.crons import Crons
from runwire.dispatch.hints import Hints
from tests.dispatch.factories import make_assistant
from tests.harness.in_process import serving
from tests.harness.platform import Platform, request

pytestmark = pytest.mark.usefixtures("assistant")


@pytest.fixture
async def assistant(pool: Any) -> None:
    """The default one of the graph `agent`."""
    await make_assistant(pool)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The limits, which a test may change."""
    made = tmp_path / "limits.toml"
    made.write_text("[default]\n")
    return made


@pytest.fixture
async def platform(settings: Settings, file: Path) -> AsyncIterator[Platform]:
    """Services whose callers are of the tenant `default`. No worker."""
    async with serving(settings.model_copy(update={"limits_file": str(file)})) as made:
        yield made


async def refused(call: Any) -> tuple[str, float]:
    """The limit that a call has met, and the seconds to wait."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    info, retry = ErrorInfo(), RetryInfo()
    for detail in status.details if status else ():
        detail.Unpack(info)
        detail.Unpack(retry)
    assert info.reason == "QUOTA_EXCEEDED"
    return info.metadata["limit"], retry.retry_delay.ToTimedelta().total_seconds()


async def answer(call: Any) -> grpc.StatusCode:
    """How a call has ended."""
    with suppress(grpc.aio.AioRpcError):
        await call
    code: grpc.StatusCode = await call.code()
    return code


async def count(platform: Platform) -> int:
    """How many runs there are."""
    found: int = (await platform.runs.CountRuns(CountRunsRequest())).count
    return found


async def test_open_runs_are_counted_exactly_however_many_come_at_once(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 5\n")
    calls = [platform.create("agent", n, thread=f"t{n}") for n in range(30)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, run_pb2.Run) for answer in answers) == 5 == await count(platform)
    limit, wait = await refused(platform.create("agent", 1))
    assert (limit, wait > 0) == ("open_runs", True)


async def test_a_refused_run_leaves_nothing_behind(platform: Platform, file: Path) -> None:
    kept = await platform.create("agent", 1, thread="t")
    file.write_text("[default]\nopen_runs = 1\n")
    strategy = run_pb2.MULTITASK_STRATEGY_INTERRUPT
    await refused(platform.create("agent", 2, thread="new"))
    await refused(platform.create("agent", 2, thread="other", multitask_strategy=strategy))
    assert (await platform.get(kept.run_id)).status == run_pb2.RUN_STATUS_PENDING
    for thread_id in ("new", "other"):
        with pytest.raises(grpc.aio.AioRpcError, match="no thread"):
            await platform.threads.GetThread(GetThreadRequest(thread_id=thread_id))


async def test_a_run_that_makes_way_makes_room(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 1\n")
    await platform.create("agent", 1, thread="t")
    await platform.create("agent", 2, thread="t", multitask_strategy=run_pb2.MULTITASK_STRATEGY_ROLLBACK)
    assert await count(platform) == 1


async def test_a_repeated_call_is_answered_although_there_is_no_room(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 1\n")
    run_id = str(new_uuid())
    for _ in range(2):
        assert (await platform.create("agent", 1, run_id=run_id)).run_id == run_id


async def test_an_ended_run_makes_room(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 1\n")
    first = await platform.create("agent", 1)
    await platform.cancel(first.run_id)
    await platform.create("agent", 2)


async def test_a_batch_fits_whole_or_is_not_created(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 5\n")
    await platform.create("agent", 0)
    batch = [request("agent", n, thread="t") for n in range(5)]
    assert (await refused(platform.runs.BatchCreateRuns(BatchCreateRunsRequest(requests=batch))))[0] == "open_runs"
    assert await count(platform) == 1
    await platform.runs.BatchCreateRuns(BatchCreateRunsRequest(requests=batch[1:]))
    assert await count(platform) == 5


async def test_another_tenants_runs_and_limits_are_its_own(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nopen_runs = 3\n[tenant.default]\nopen_runs = 1\n")
    await platform.create("agent", 1)
    await platform.pool.execute("UPDATE runs SET tenant = 'other'")
    await platform.create("agent", 1)
    assert (await refused(platform.create("agent", 1)))[0] == "open_runs"


async def test_a_tick_beyond_the_limit_is_missed(platform: Platform, file: Path) -> None:
    cron = await Crons(platform.pool).create(
        "default", check_create(CreateCronRequest(schedule="* * * * *", run=request("agent", 1)))
    )
    await platform.create("agent", 1)
    await platform.pool.execute("UPDATE crons SET next_tick_at = now() - interval '1 second'")
    file.write_text("[default]\nopen_runs = 1\n")
    settings = platform.settings
    limits = TenantLimits.of_settings(settings)
    async with Bus(settings) as bus, Hints(bus) as hints:
        await CronTicks(platform.pool, bus, hints, limits=limits).tick_crons()
    row = await platform.pool.fetchrow("SELECT missed_ticks, next_tick_at > now() AS goes_on FROM crons")
    assert (cron.missed_ticks, tuple(row), await count(platform)) == (0, (1, True), 1)


async def test_streams_are_counted_while_they_are_open(platform: Platform, file: Path) -> None:
    run = await platform.create("agent", 1, thread="t")
    file.write_text("[default]\nopen_streams = 2\n")
    one = platform.stream.StreamRun(StreamRunRequest(run_id=run.run_id))
    await one.initial_metadata()
    two = platform.stream.StreamThread(StreamThreadRequest(thread_id="t"))
    await two.initial_metadata()
    wait = WaitRunRequest(run_id=run.run_id, timeout=Duration(seconds=0))
    assert (await refused(platform.stream.WaitRun(wait)))[0] == "open_streams"
    assert (await refused(platform.stream.StreamRun(StreamRunRequest(run_id=run.run_id)).read()))[0] == "open_streams"
    one.cancel()
    async with asyncio.timeout(10):
        # The server hears of it a moment later.
        while await answer(platform.stream.WaitRun(wait)) is grpc.StatusCode.RESOURCE_EXHAUSTED:
            await asyncio.sleep(0.02)
    two.cancel()


async def test_requests_come_at_their_rate(platform: Platform, file: Path) -> None:
    run = await platform.create("agent", 1)
    file.write_text("[default]\nrequests_per_second = 5\n")
    get = GetRunRequest(run_id=run.run_id)
    answers = await asyncio.gather(*(platform.runs.GetRun(get) for _ in range(40)), return_exceptions=True)
    passed = sum(not isinstance(answer, BaseException) for answer in answers)
    assert 5 <= passed < 40
    # The other servers count for themselves.
    await platform.stream.WaitRun(WaitRunRequest(run_id=run.run_id, timeout=Duration(seconds=0)))
    get_again = [platform.runs.GetRun(get) for _ in range(10)]
    await asyncio.gather(*map(answer, get_again))
    calls = [call for call in get_again if await call.code() != grpc.StatusCode.OK]
    limit, wait = await refused(calls[-1])
    assert (limit, 0 < wait <= 0.21) == ("requests_per_second", True)


async def test_a_large_request_passes_and_those_after_it_wait(platform: Platform, file: Path) -> None:
    file.write_text("[default]\nbytes_per_second = 10000\n")
    await platform.create("agent", "x" * 100_000)
    limit, wait = await refused(platform.create("agent", 1))
    assert (limit, 5 < wait < 10) == ("bytes_per_second", True)
