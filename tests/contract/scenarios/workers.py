"""WorkersService."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runwire.api.dispatch.v1.workers_pb2 import ListWorkersRequest
from tests.contract.scenarios.scenario import Errors, Listing, Listings, Successes, ask, unique, wrong
from tests.harness.platform import Platform


async def _lists(platform: Platform) -> Any:
    response = await ask(platform, ListWorkersRequest(graph_id="echo"))
    (worker,) = response.workers
    assert "echo" in worker.graph_ids
    assert (worker.slots > 0, worker.draining) == (True, False)
    return response


async def _many_workers(platform: Platform) -> Listing:
    graph_id = unique()
    register = (
        "INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease, started_at)"
        " VALUES (gen_random_uuid(), 'host', '0', ARRAY[$1], 4, interval '1 hour', now() - $2::interval)"
        " RETURNING worker_id::text"
    )
    made = [await platform.pool.fetchval(register, graph_id, timedelta(hours=n)) for n in (1, 2, 3, 4, 5)]
    return Listing(
        request=ListWorkersRequest(graph_id=graph_id),
        rows="workers",
        name=lambda worker: str(worker.worker_id),
        expected=made[::-1],
        other=ListWorkersRequest(),
    )


SUCCESSES: Successes = {"ListWorkers": _lists}
ERRORS: Errors = {("ListWorkers", "FIELD_INVALID"): wrong(ListWorkersRequest(graph_id="a b"), "graph_id")}
LISTINGS: Listings = {"ListWorkers": _many_workers}
