"""The thread_id column of the checkpoint tables: whose a row is, in one text.

The tables have no tenant column, so a tenant is a prefix; and a run without a thread has a mark behind its id, since a
thread may bear the same one. `checkpoint_thread` says the same in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

from runwire.core.ids import DEFAULT_TENANT

_RUN_MARK = "#"


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """Translates one tenant's thread ids to column values and back.

    The default tenant's ids are stored as they are, as other programs on these tables do. An id with a slash
    is the exception: unprefixed it would read as another tenant's. `threadless_run` is the id that means a run's own
    checkpoints; its code knows them by the plain id.
    """

    tenant: str = DEFAULT_TENANT
    threadless_run: str | None = None

    def __post_init__(self) -> None:
        if not self.tenant or "/" in self.tenant:
            raise ValueError(f"a tenant name is not empty and has no slash: {self.tenant!r}")

    def stored(self, thread_id: object) -> str:
        """The column value for a thread id."""
        plain = str(thread_id)
        if plain == self.threadless_run:
            plain += _RUN_MARK
        if self.tenant == DEFAULT_TENANT and "/" not in plain:
            return plain
        return f"{self.tenant}/{plain}"

    def plain(self, stored: str) -> str:
        """The thread id behind a column value of this tenant."""
        plain = stored.partition("/")[2] if "/" in stored else stored
        own = self.threadless_run
        return own if own is not None and plain == own + _RUN_MARK else plain
