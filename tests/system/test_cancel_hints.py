"""What Redis says of a cancel is a hint: a run stops only where Postgres says so too."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

from redis.asyncio import Redis

from runwire.api.resource.v1.threads_pb2 import DeleteThreadRequest
from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from tests.harness.platform import Platform, new_thread, output, status
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


async def test_a_run_bears_the_id_of_one_whose_code_goes_on_after_its_deletion(
    platform: Platform, journal: Path
) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.create("stubborn", {"delay": 1.5, "journal": str(journal)}, thread=thread, run_id=run_id)

    async def noted(line: str) -> bool:
        return line in journal.read_text().splitlines()

    async def saved() -> bool:
        count = "SELECT count(*) = 2 FROM checkpoints WHERE thread_id = $1"
        return bool(await platform.pool.fetchval(count, thread))

    # From here on it writes nothing before its end, so nothing tells it that its row is gone.
    await until(lambda: noted("began"))
    await until(saved)
    await platform.threads.DeleteThread(DeleteThreadRequest(thread_id=thread))
    run = await platform.create("slow", {"delay": 3}, thread=thread, run_id=run_id)
    await until(lambda: noted("ended"))
    assert status(await platform.get(run_id)) == "running"
    done = await platform.finish(run.run_id)
    assert (status(done), output(done)["log"]) == ("success", ["quick", "slow"])
