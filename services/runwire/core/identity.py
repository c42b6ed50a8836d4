"""Who calls: the tenant whose rows a call may see, and what it may do."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from runwire.core.errors import PermissionDenied
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.scopes import EVERYTHING, covers


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller: its tenant, who it is there (for logs), and the scopes that it was granted, patterns included."""

    tenant: str
    subject: str
    scopes: frozenset[str]

    def allows(self, scope: str) -> bool:
        """Whether a grant covers the scope."""
        return covers(self.scopes, scope)


ANONYMOUS = Identity(DEFAULT_TENANT, "anonymous", frozenset({EVERYTHING}))
"""Every caller of a server without authentication."""

_caller: ContextVar[Identity] = ContextVar("caller")


def identify(identity: Identity) -> None:
    """Says who makes the call that this task serves. For `runwire.core.access` alone."""
    _caller.set(identity)


def caller() -> Identity:
    """Who makes the call that this task serves. LookupError where nobody has asked who it is."""
    return _caller.get()


def callers_tenant() -> str:
    """The caller's tenant. Without authentication every caller is of the default tenant."""
    return caller().tenant


def require(scope: str) -> None:
    """For what a request asks beyond its method's scope. Raises PermissionDenied."""
    if not caller().allows(scope):
        raise PermissionDenied(scope=scope)
