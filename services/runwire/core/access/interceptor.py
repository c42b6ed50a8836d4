"""Asks every call who makes it and whether it may, before its request is read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import grpc

from runwire.core.access.authentication import Authentication, Metadata
from runwire.core.access.certificates import Certificates
from runwire.core.access.late import Context, by_certificate
from runwire.core.errors import PermissionDenied, Unauthenticated
from runwire.core.identity import ANONYMOUS, Identity, identify
from runwire.core.interceptors import refusal_of, refusing
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
        if method.startswith(_OPEN):
            return await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata
        certificates = self._authentication.certificates_for(metadata) if self._authentication else None
        if certificates is not None:
            # The connection's certificate is known to the call alone.
            return by_certificate(await continuation(handler_call_details), partial(_admit, certificates, method))
        try:
            _permit(await self._caller(metadata, method), method)
        except Exception as error:
            # gRPC would show the text of an exception to a caller that nobody knows.
            return refusing(refusal_of(error, method))
        return await continuation(handler_call_details)

    async def _caller(self, metadata: Metadata, method: str) -> Identity | None:
        if self._authentication is None:
            return ANONYMOUS
        return await self._authentication.identity(metadata, method)


def _admit(certificates: Certificates, method: str, context: Context) -> None:
    _permit(certificates.identity(context.auth_context()), method)


def _permit(identity: Identity | None, method: str) -> None:
    if identity is None:
        _refused(method, "unauthenticated", {})
        raise Unauthenticated
    if method.startswith(_OURS) and not identity.allows(scope_of(method)):
        _refused(method, "permission_denied", {"tenant": identity.tenant, "subject": identity.subject})
        raise PermissionDenied(scope=scope_of(method))
    identify(identity)


def _refused(method: str, action: str, who: Mapping[str, str]) -> None:
    _log.info("a call was refused", extra={"action": action, "method": method, **who})
