"""A tenant with one run does not wait until another's flood has ebbed."""

from __future__ import annotations

from runwire.api.dispatch.v1.runs_pb2 import (
    BatchCancelRunsRequest,
    BatchCreateRunsRequest,
    CountRunsRequest,
    RunFilter,
)
from runwire.api.type.v1 import run_pb2
from runwire.core.ids import default_assistant_id
from tests.harness.platform import Platform, request, status
from tests.tenants.conftest import Tenants

_FLOOD = 300


async def pending(tenant: Platform) -> int:
    """How many runs wait for a slot."""
    where = RunFilter(statuses=[run_pb2.RUN_STATUS_PENDING], assistant_id=default_assistant_id("steps"))
    found: int = (await tenant.runs.CountRuns(CountRunsRequest(filter=where))).count
    return found


async def test_a_run_overtakes_another_tenants_flood(tenants: Tenants) -> None:
    for _ in range(_FLOOD // 100):
        flood = [request("steps", {"delay": 0.05}) for _ in range(100)]
        await tenants.a.runs.BatchCreateRuns(BatchCreateRunsRequest(requests=flood))
    assert status(await tenants.b.run("steps", {"count": 1})) == "success"
    # Its slot was the next one that came free.
    assert await pending(tenants.a) > _FLOOD / 3
    for which in (run_pb2.RUN_STATUS_PENDING, run_pb2.RUN_STATUS_RUNNING):
        await tenants.a.runs.BatchCancelRuns(BatchCancelRunsRequest(status=which))
