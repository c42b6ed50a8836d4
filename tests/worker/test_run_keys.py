"""Runs of two tenants that bear one id, side by side in one executor."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from runwire.core.bus import Bus, Keys
from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.ids import RunKey, new_uuid
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.checkpoint import RunwireSaver
from runwire.worker.claims import ClaimedRun, Claims, Ending
from runwire.worker.fence import Fence, StaleClaim
from runwire.worker.outbox import Outbox
from tests.worker.checkpoint_graphs import put_one

RUN = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.fixture
async def claimed(pool: Pool) -> dict[str, ClaimedRun]:
    """The run of each tenant, held by one worker."""
    worker_id = new_uuid()
    await pool.execute(
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease)"
        " VALUES ($1, 'host', '0', ARRAY['g'], 4, interval '10 seconds')",
        worker_id,
    )
    await pool.execute(
        "INSERT INTO runs (tenant, run_id, assistant_id, assistant_version, graph_id, ready, due_at, request,"
        " request_digest, created_at)"
        " SELECT tenant, $1, 'a', 1, 'g', true, now(), '', '', now() FROM unnest(ARRAY['default', 'other']) AS tenant",
        RUN,
    )
    runs = (await Claims(pool, worker_id, 1, timedelta(hours=1), 3).claim(["g"], 4)).runs
    assert len(runs) == 2
    return {run.tenant: run for run in runs}


@pytest.fixture
def claims(pool: Pool) -> Claims:
    """The statements of an executor."""
    return Claims(pool, new_uuid(), 1, timedelta(hours=1), 3)


def test_a_keys_text_is_read_back() -> None:
    for key in (RunKey("default", RUN), RunKey("a:b.c-d_e", RUN)):
        assert RunKey.parse(str(key)) == key


def test_redis_keys_of_the_default_tenant_have_the_bare_id_and_those_of_others_their_tenant() -> None:
    keys = Keys("runwire")
    for made, kind in ((keys.events, "events"), (keys.cancel, "cancel"), (keys.attempt, "attempt")):
        assert made(RunKey("default", RUN)) == f"runwire:{kind}:{RUN}"
        assert made(RunKey("other", RUN)) == f"runwire:{kind}:other/{RUN}"


async def test_events_of_one_flush_go_to_the_log_of_their_own_run(
    pool: Pool, bus: Bus, settings: Settings, claimed: dict[str, ClaimedRun]
) -> None:
    outbox = Outbox(pool, bus, settings)
    for tenant, run in claimed.items():
        outbox.add(outbox.open(run.fence, logged=True), tenant.encode())
    await outbox._log_pending()
    logged = await pool.fetch("SELECT tenant, run_id, events FROM run_events ORDER BY tenant")
    assert [tuple(row) for row in logged] == [("default", RUN, b"default"), ("other", RUN, b"other")]


async def test_ending_or_giving_back_one_leaves_the_other_running(
    pool: Pool, claims: Claims, claimed: dict[str, ClaimedRun]
) -> None:
    assert (await claims.finish(claimed["other"], Ending(status="success", output="1"), None)).outcome == "finished"
    assert await pool.fetchval("SELECT status FROM runs WHERE tenant = 'default'") == "running"
    assert await claims.release(claimed["other"], use_up=True) is None
    assert await claims.release(claimed["default"], use_up=True) == "g"
    rows = await pool.fetch("SELECT status FROM runs ORDER BY tenant")
    assert [row["status"] for row in rows] == ["pending", "success"]


async def test_a_claim_of_one_is_no_fence_of_the_other(pool: Pool, claimed: dict[str, ClaimedRun]) -> None:
    await pool.execute("UPDATE runs SET claim = 7 WHERE tenant = 'other'")
    stale = RunwireSaver(pool, keys=ThreadKeys("other"), fence=Fence(RUN, claimed["default"].claim, "other"))
    with pytest.raises(StaleClaim):
        await put_one(stale, {"configurable": {"thread_id": str(uuid4()), "checkpoint_ns": ""}}, a=1)
    assert await pool.fetchval("SELECT count(*) FROM checkpoints") == 0


async def test_a_cancel_and_an_attempt_count_for_their_own_tenants_run(bus: Bus) -> None:
    mine = RunKey("default", uuid4())
    theirs = RunKey("other", mine.run_id)
    await bus.cancel([(theirs, new_uuid(), "interrupt")])
    await bus.begin_attempts([theirs])
    assert await bus.begin_attempts([mine, theirs]) == [(1, None), (2, b"interrupt")]
    await bus.forget_run(mine)
    assert await bus.begin_attempts([mine, theirs]) == [(1, None), (3, b"interrupt")]


async def test_removing_one_takes_its_events_and_webhooks_and_not_the_others(
    pool: Pool, claimed: dict[str, ClaimedRun]
) -> None:
    await pool.execute(
        "INSERT INTO run_events (tenant, run_id, claim, first_seq, last_seq, events)"
        " SELECT tenant, run_id, 1, 1, 1, 'x' FROM runs"
    )
    await pool.execute("UPDATE runs SET webhook = 'x'")
    for run in claimed.values():
        await pool.execute(
            "SELECT finish_run($1, 1, $2, NULL, 'success', '1', NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
            RUN,
            run.tenant,
        )
    await pool.execute("DELETE FROM runs WHERE tenant = 'default'")
    for table in ("runs", "run_events", "webhook_deliveries"):
        assert [row["tenant"] for row in await pool.fetch(f"SELECT tenant FROM {table}")] == ["other"], table
