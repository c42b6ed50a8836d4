"""How often a run was begun is what Redis or Postgres say, whichever figure is larger and can be true (I5, I13)."""

from __future__ import annotations

from runwire.core.bus import Bus
from runwire.core.ids import DEFAULT_TENANT, RunKey
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from tests.worker.executors import becomes, executing, insert_run, side_by_side


async def test_a_run_is_begun_however_often_redis_has_counted_it(pool: Pool, bus: Bus, settings: Settings) -> None:
    run_id = await insert_run(pool)
    for _ in range(settings.max_attempts):
        # As when the answer was lost, and it was asked again.
        await bus.begin_attempts([RunKey(DEFAULT_TENANT, run_id)])
    async with executing(side_by_side(node=lambda _: {}), settings, pool, bus):
        await becomes(pool, run_id, "success")


async def test_a_run_that_was_begun_too_often_is_not_begun_although_redis_has_counted_nothing(
    pool: Pool, bus: Bus, settings: Settings
) -> None:
    run_id = await insert_run(pool)
    await pool.execute("UPDATE runs SET attempts = $1", settings.max_attempts)
    async with executing(side_by_side(node=lambda _: {}), settings, pool, bus):
        await becomes(pool, run_id, "error")
    assert await pool.fetchval("SELECT error_type FROM runs") == "AttemptsExhausted"
