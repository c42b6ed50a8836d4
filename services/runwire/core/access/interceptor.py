"""Asks every call who makes it and whether it may, before its request is read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from runwire.core.access.authentication import Authentication
from runwire.core.access.credentials import shown
from runwire.core.errors import PermissionDenied, Refusal
from runwire.core.identity import ANONYMOUS, Identity, identify
from runwire.core.interceptors import refusing
from runwire.core.scopes import scope_of

_log = logging.getLogger(__name__)

_OPEN = "/grpc.health.v1.Health/"
_OURS = "/runwire."


class Access(grpc.aio.ServerInterceptor):
    """Comes before all other interceptors. Health is open to everybody; reflection asks for credentials, no scope."""

    def __init__(self, authentication: Authentication | None) -> None:
        """None: every caller is ANONYMOUS."""
        self._authentication = authentication

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The method's handler, or one that refuses without having read the request."""
        method: str = handler_call_details.method
        if not method.startswith(_OPEN):
            try:
                identify(_permitted(await self._caller(handler_call_details), method))
            except Refusal as refusal:
                _log.info("refused", extra={"action": "refused", "method": method, "reason": refusal.reason})
                return refusing(refusal)
        return await continuation(handler_call_details)

    async def _caller(self, details: grpc.HandlerCallDetails) -> Identity:
        if self._authentication is None:
            return ANONYMOUS
        return await self._authentication.identity(shown(details.invocation_metadata))


def _permitted(identity: Identity, method: str) -> Identity:
    if method.startswith(_OURS) and not identity.allows(scope_of(method)):
        raise PermissionDenied(scope=scope_of(method))
    return identity
