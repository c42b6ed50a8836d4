"""Tenants share the checkpoint tables and see nothing of one another."""

from __future__ import annotations

from uuid import uuid4

import pytest
from langchain_core.runnables import RunnableConfig

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool
from runwire.worker.checkpoint import RunwireSaver
from tests.worker.checkpoint_graphs import put_one


def _thread(thread_id: str = "t") -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


async def _threads(saver: RunwireSaver) -> set[str]:
    return {found.config["configurable"]["thread_id"] async for found in saver.alist(None)}


async def test_a_tenants_thread_is_stored_under_its_name_and_read_under_its_own(pool: Pool) -> None:
    saver = RunwireSaver(pool, keys=ThreadKeys("acme"))
    parent = await put_one(saver, _thread(), a=1)
    config = await put_one(saver, parent, a=2)

    found = await saver.aget_tuple(config)

    assert await pool.fetchval("SELECT DISTINCT thread_id FROM checkpoints") == "acme/t"
    assert found is not None
    assert (found.config, found.parent_config) == (config, parent)


async def test_one_thread_id_is_another_thread_in_each_tenant(pool: Pool) -> None:
    savers = {name: RunwireSaver(pool, keys=ThreadKeys(name)) for name in ("default", "acme", "other")}
    for name, saver in savers.items():
        await put_one(saver, _thread(), owner=name)

    await savers["other"].adelete_thread("t")

    for name, expected in (("default", "default"), ("acme", "acme")):
        found = await savers[name].aget_tuple(_thread())
        assert found is not None
        assert found.checkpoint["channel_values"] == {"owner": expected}
    assert await savers["other"].aget_tuple(_thread()) is None


async def test_listing_all_threads_lists_the_tenants_own(pool: Pool) -> None:
    await put_one(RunwireSaver(pool), _thread("plain"), a=1)
    await put_one(RunwireSaver(pool), _thread("with/slash"), a=1)
    await put_one(RunwireSaver(pool, keys=ThreadKeys("acme")), _thread("theirs/too"), a=1)

    assert await _threads(RunwireSaver(pool)) == {"plain", "with/slash"}
    assert await _threads(RunwireSaver(pool, keys=ThreadKeys("acme"))) == {"theirs/too"}
    assert await _threads(RunwireSaver(pool, keys=ThreadKeys("ac"))) == set()


async def test_a_thread_id_that_looks_like_another_tenants_does_not_reach_it(pool: Pool) -> None:
    await put_one(RunwireSaver(pool, keys=ThreadKeys("acme")), _thread("t"), a=1)

    assert await RunwireSaver(pool).aget_tuple(_thread("acme/t")) is None


async def test_removing_by_run_stays_within_the_tenant(pool: Pool) -> None:
    await put_one(RunwireSaver(pool, keys=ThreadKeys("acme")), _thread(), a=1)
    await pool.execute("""UPDATE checkpoints SET metadata = '{"run_id": "r"}'""")

    await RunwireSaver(pool).adelete_for_runs(["r"])
    assert await pool.fetchval("SELECT count(*) FROM checkpoints") == 1

    await RunwireSaver(pool, keys=ThreadKeys("acme")).adelete_for_runs(["r"])
    assert await pool.fetchval("SELECT count(*) FROM checkpoints") == 0


@pytest.mark.parametrize("tenant", ["default", "acme"])
async def test_a_run_without_a_thread_sees_and_removes_its_own_and_not_a_threads_of_its_id(
    pool: Pool, tenant: str
) -> None:
    run_id = str(uuid4())
    thread, run = (RunwireSaver(pool, keys=ThreadKeys(tenant, own)) for own in (None, run_id))
    await put_one(thread, _thread(run_id), of="thread")

    assert await run.aget_tuple(_thread(run_id)) is None
    config = await put_one(run, _thread(run_id), of="run")
    found = await run.aget_tuple(config)
    assert found is not None
    assert (found.config, found.checkpoint["channel_values"]) == (config, {"of": "run"})

    await run.adelete_thread(run_id)
    kept = await thread.aget_tuple(_thread(run_id))
    assert kept is not None
    assert kept.checkpoint["channel_values"] == {"of": "thread"}


@pytest.mark.parametrize("tenant", ["default", "acme"])
async def test_sql_names_the_rows_of_threads_and_of_runs_as_python_does(pool: Pool, tenant: str) -> None:
    run_id = uuid4()
    of_thread, of_run = await pool.fetchrow(
        "SELECT checkpoint_thread($1, 't', $2), checkpoint_thread($1, NULL, $2)", tenant, run_id
    )
    keys = ThreadKeys(tenant, str(run_id))
    assert (of_thread, of_run) == (keys.stored("t"), keys.stored(str(run_id)))


@pytest.mark.parametrize("name", ["", "a/b"])
async def test_a_tenant_name_with_a_slash_or_none_is_refused(pool: Pool, name: str) -> None:
    with pytest.raises(ValueError, match="tenant name"):
        RunwireSaver(pool, keys=ThreadKeys(name))
