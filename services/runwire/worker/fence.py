"""The fence: what keeps a worker whose run was taken over from changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from runwire.core.ids import DEFAULT_TENANT, RunKey


@dataclass(frozen=True, slots=True)
class Fence:
    """One claim of one run. It holds while the run is running under this very claim."""

    run_id: UUID
    claim: int
    tenant: str = DEFAULT_TENANT

    @property
    def run(self) -> RunKey:
        """The run."""
        return RunKey(self.tenant, self.run_id)


class StaleClaim(Exception):
    """The run has been taken over or has ended, so nothing was written."""

    def __init__(self, fence: Fence) -> None:
        super().__init__(f"claim {fence.claim} of run {fence.run} no longer holds; nothing was written")
        self.fence = fence


class StorageUnavailable(Exception):
    """Postgres could not be reached for too long; the run may be tried again from its last checkpoint."""
