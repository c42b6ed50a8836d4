"""What Redis says of a cancel is a hint: a run stops only where Postgres says so too."""

from __future__ import annotations

from uuid import UUID, uuid4

from redis.asyncio import Redis

from runwire.api.resource.v1.threads_pb2 import DeleteThreadRequest
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from tests.harness.platform import Platform, new_thread, status
from tests.harness.waiting import until


async def test_a_run_that_nobody_cancelled_begins_beside_a_cancel_in_redis(platform: Platform) -> None:
    run_id = str(uuid4())
    async with Bus(platform.settings) as bus:
        await bus.cancel([(RunKey(DEFAULT_TENANT, UUID(run_id)), uuid4(), "interrupt")])
    assert status(await platform.run("echo", {"text": "a"}, run_id=run_id)) == "success"


async def test_a_run_that_nobody_cancelled_goes_on_when_its_worker_hears_of_a_cancel(platform: Platform) -> None:
    run = await platform.create("slow", {"delay": 0.5}, modes=["updates"])
    await platform.reached(run.run_id, "update", node="quick")
    worker_id = await platform.pool.fetchval("SELECT worker_id FROM runs WHERE run_id = $1", UUID(run.run_id))
    async with Bus(platform.settings) as bus:
        await bus.cancel([(RunKey(DEFAULT_TENANT, UUID(run.run_id)), worker_id, "interrupt")])
    assert status(await platform.finish(run.run_id)) == "success"


async def test_redis_forgets_a_run_that_was_deleted_while_it_ran(platform: Platform) -> None:
    thread = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread)
    await platform.reached(run.run_id, "started")
    await platform.threads.DeleteThread(DeleteThreadRequest(thread_id=thread))
    redis = Redis.from_url(platform.settings.redis_uri)

    async def forgotten() -> bool:
        return not await redis.keys(f"{platform.settings.redis_prefix}:*:{run.run_id}")

    try:
        assert await until(forgotten, within=5)
    finally:
        await redis.aclose()
