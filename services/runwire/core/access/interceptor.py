"""Asks every call who makes it and whether it may, before its request is looked at."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc

from runwire.core.access.authentication import Authentication, Metadata
from runwire.core.access.certificates import Certificates
from runwire.core.errors import NotServed, PermissionDenied, Unauthenticated
from runwire.core.identity import ANONYMOUS, Identity, identify
from runwire.core.interceptors import Context, abort, guarded, is_ours, refusal_of, refusing
from runwire.core.scopes import scope_of

_log = logging.getLogger(__name__)

_OPEN = "/grpc.health.v1.Health/"


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
        """The method's handler, or one that refuses; it has not read the request, by a certificate not parsed it."""
        method: str = handler_call_details.method
        if method.startswith(_OPEN):
            return await continuation(handler_call_details)
        metadata = handler_call_details.invocation_metadata
        certificates = self._authentication.certificates_for(metadata) if self._authentication else None
        if certificates is not None:
            # The connection's certificate is known to the call alone, after gRPC has read the request.
            handler = await continuation(handler_call_details) or refusing(NotServed(method=method))
            return guarded(handler, partial(_by_certificate, certificates, method))
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


@asynccontextmanager
async def _by_certificate(
    certificates: Certificates, method: str, request: object, context: Context
) -> AsyncIterator[None]:
    del request
    try:
        _permit(certificates.identity(context.auth_context()), method)
    except Exception as error:
        await abort(context, refusal_of(error, method))
    yield


def _permit(identity: Identity | None, method: str) -> None:
    if identity is None:
        _refused(method, "unauthenticated", {})
        raise Unauthenticated
    if is_ours(method) and not identity.allows(scope_of(method)):
        _refused(method, "permission_denied", {"tenant": identity.tenant, "subject": identity.subject})
        raise PermissionDenied(scope=scope_of(method))
    identify(identity)


def _refused(method: str, action: str, who: Mapping[str, str]) -> None:
    _log.info("a call was refused", extra={"action": action, "method": method, **who})
