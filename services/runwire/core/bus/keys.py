"""Keys and channels: the package's docstring lists them."""

from __future__ import annotations

from uuid import UUID

from runwire.core.ids import DEFAULT_TENANT, RunKey


class Keys:
    """The names of all keys and channels."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def wake(self, graph_id: str) -> str:
        """List of sentinels for runs."""
        return f"{self._prefix}:wake:{graph_id}"

    def wake_state(self, graph_id: str) -> str:
        """List of sentinels for thread state requests."""
        return f"{self._prefix}:wake-state:{graph_id}"

    def cancel(self, run: RunKey) -> str:
        """String: the cancel action, for a worker that has not begun to listen."""
        return f"{self._prefix}:cancel:{run}"

    def attempt(self, run: RunKey) -> str:
        """String: the attempt counter."""
        return f"{self._prefix}:attempt:{run}"

    def control(self, worker_id: UUID) -> str:
        """Channel to a worker."""
        return f"{self._prefix}:control:{worker_id}"

    def events(self, run: RunKey) -> str:
        """Channel of a run's events."""
        return f"{self._prefix}:events:{run}"

    def thread(self, tenant: str, thread_id: str) -> str:
        """Channel of a thread: ids of runs that begin and end."""
        return f"{self._prefix}:thread:{thread_id if tenant == DEFAULT_TENANT else f'{tenant}/{thread_id}'}"

    def done(self, request_id: UUID) -> str:
        """Channel of a state request."""
        return f"{self._prefix}:done:{request_id}"
