"""ListWorkers, through its stub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from runwire.api.dispatch.v1.workers_pb2 import ListWorkersRequest, Worker
from runwire.core import paging
from runwire.core.postgres import Pool
from tests.dispatch.conftest import Dispatch
from tests.dispatch.factories import GRAPH, a_run, make_assistant, make_worker, start_run


async def _list(dispatch: Dispatch, **fields: Any) -> list[Worker]:
    return list((await dispatch.workers.ListWorkers(ListWorkersRequest(**fields))).workers)


async def test_a_worker_says_what_it_serves_and_what_it_does(dispatch: Dispatch, pool: Pool) -> None:
    await make_assistant(pool)
    worker_id = await make_worker(pool, draining=True)
    for _ in range(2):
        await start_run(pool, (await dispatch.runs.CreateRun(a_run())).run.run_id, worker_id)
    [worker] = await _list(dispatch)
    assert (worker.worker_id, worker.host, worker.version) == (str(worker_id), "host", "0")
    assert (list(worker.graph_ids), worker.slots, worker.running, worker.draining) == ([GRAPH], 4, 2, True)
    age = datetime.now(UTC) - worker.heartbeat_time.ToDatetime(UTC)
    assert timedelta() <= age < timedelta(minutes=1)
    assert worker.HasField("start_time")


async def test_a_worker_whose_lease_has_run_out_is_not_listed(dispatch: Dispatch, pool: Pool) -> None:
    alive = await make_worker(pool, silent_for=timedelta(seconds=1))
    dead = await make_worker(pool)
    await pool.execute("UPDATE workers SET lease = interval '-1 second' WHERE worker_id = $1", dead)
    assert [worker.worker_id for worker in await _list(dispatch)] == [str(alive)]


async def test_workers_are_found_by_graph(dispatch: Dispatch, pool: Pool) -> None:
    await make_worker(pool)
    other = await make_worker(pool, graph_id="other")
    assert [worker.worker_id for worker in await _list(dispatch, graph_id="other")] == [str(other)]
    assert await _list(dispatch, graph_id="none") == []


async def test_pages_hold_every_worker_once_the_longest_running_first(dispatch: Dispatch, pool: Pool) -> None:
    made = [str(await make_worker(pool)) for _ in range(7)]
    # Equal times are told apart by id.
    await pool.execute("UPDATE workers SET started_at = '2026-01-01'")
    await pool.execute("UPDATE workers SET started_at = '2025-01-01' WHERE worker_id::text = $1", made[3])
    request, listed = ListWorkersRequest(page_size=3), list[str]()
    while True:
        page = await dispatch.workers.ListWorkers(request)
        listed += [worker.worker_id for worker in page.workers]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert listed == [made[3], *sorted(set(made) - {made[3]})]


async def test_a_wrong_list_is_refused(dispatch: Dispatch, refused: Any) -> None:
    token = paging.encode(paging.Place("x", "y"), paging.binding(ListWorkersRequest(graph_id="a b")))
    request = ListWorkersRequest(graph_id="a b", page_size=1001, page_token=token)
    assert (await refused(dispatch.workers.ListWorkers(request))).violations == {
        "graph_id": "FIELD_INVALID",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }
