"""Workers: who executes runs."""

from __future__ import annotations

from runwire.api.dispatch.v1 import workers_pb2 as pb
from runwire.api.dispatch.v1.workers_pb2_grpc import WorkersServiceStub
from runwire.client.listing import Listing
from runwire.client.results import Worker
from runwire.client.wire import Wire


class Workers:
    """The live workers."""

    def __init__(self, wire: Wire, stub: WorkersServiceStub) -> None:
        self._wire = wire
        self._stub = stub

    def search(self, *, graph_id: str = "", limit: int | None = None) -> Listing[Worker]:
        """Workers that serve this graph, or all; the longest running first."""
        return Listing[Worker](
            self._wire,
            self._stub.ListWorkers,
            pb.ListWorkersRequest(graph_id=graph_id),
            limit=limit,
        )
