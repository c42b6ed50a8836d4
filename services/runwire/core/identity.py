"""Who calls: the tenant whose rows a call may see, and what it may do."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import grpc

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


def identity_of(context: grpc.aio.ServicerContext[Any, Any] | None) -> Identity:
    """The caller, also for interceptors that have no context yet. LookupError where nobody has asked who it is."""
    del context
    return _caller.get()


def tenant_of(context: grpc.aio.ServicerContext[Any, Any] | None) -> str:
    """The caller's tenant. Without authentication every caller is of the default tenant."""
    return identity_of(context).tenant


def require(context: grpc.aio.ServicerContext[Any, Any] | None, scope: str) -> None:
    """For what a request asks beyond its method's scope. Raises PermissionDenied."""
    if not identity_of(context).allows(scope):
        raise PermissionDenied(scope=scope)
