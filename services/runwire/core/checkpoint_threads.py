"""The thread_id column: the checkpoint tables have no tenant column, so a tenant is a prefix of it."""

from __future__ import annotations

from dataclasses import dataclass

from runwire.core.ids import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class ThreadKeys:
    """Translates one tenant's thread ids to column values and back.

    The default tenant's ids are stored as they are, as other programs on these tables do. An id with a slash
    is the exception: unprefixed it would read as another tenant's.
    """

    tenant: str = DEFAULT_TENANT

    def __post_init__(self) -> None:
        if not self.tenant or "/" in self.tenant:
            raise ValueError(f"a tenant name is not empty and has no slash: {self.tenant!r}")

    def stored(self, thread_id: object) -> str:
        """The column value for a thread id."""
        plain = str(thread_id)
        if self.tenant == DEFAULT_TENANT and "/" not in plain:
            return plain
        return f"{self.tenant}/{plain}"

    def plain(self, stored: str) -> str:
        """The thread id behind a column value of this tenant."""
        return stored.partition("/")[2] if "/" in stored else stored
