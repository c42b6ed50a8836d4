"""Whose credentials these are, by everything that is set up to tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from runwire.core.access.api_keys import PREFIX, ApiKeys
from runwire.core.access.certificates import Certificates
from runwire.core.access.credentials import shown
from runwire.core.access.custom import CustomAuth
from runwire.core.identity import Identity
from runwire.core.settings import Settings

if TYPE_CHECKING:
    from runwire.core.access.tokens import Tokens

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]] | None


class Authentication:
    """API keys, tokens or what a project asks for itself, and client certificates for calls that show none of these."""

    def __init__(
        self,
        api_keys: ApiKeys | None = None,
        tokens: Tokens | None = None,
        custom: CustomAuth | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._api_keys = api_keys
        self._tokens = tokens
        self._custom = custom
        self._certificates = certificates

    def certificates_for(self, metadata: Metadata) -> Certificates | None:
        """What knows the caller by its connection, where the call shows no credentials."""
        return None if self._certificates is None or shown(metadata) else self._certificates

    async def identity(self, metadata: Metadata, method: str) -> Identity | None:
        """The caller of a method, by the call's metadata. None: nobody; several credentials are nobody's as well.

        AuthenticationUnavailable: it can't be told at the moment.
        """
        credentials = shown(metadata)
        if len(credentials) > 1:
            return None
        is_key = bool(credentials) and credentials[0].startswith(PREFIX)
        if is_key and self._api_keys is not None:
            return self._api_keys.identity(credentials[0])
        if self._custom is not None:
            return await self._custom.identity(metadata, method)
        if self._tokens is not None and credentials and not is_key:
            return await self._tokens.identity(credentials[0])
        return None


@asynccontextmanager
async def authentication(settings: Settings) -> AsyncIterator[Authentication | None]:
    """What the settings ask for. None: nothing is set up. AccessError when it can't be used."""
    if not settings.authenticates:
        yield None
        return
    async with AsyncExitStack() as stack:
        tokens = None
        if settings.jwt_jwks:
            # Not earlier: only tokens need it, and the import costs a tenth of a start.
            from runwire.core.access.tokens import verifying

            tokens = await stack.enter_async_context(verifying(settings))
        custom = None
        if settings.custom_auth:
            custom = CustomAuth(settings)
            await stack.enter_async_context(custom.running())
        yield Authentication(
            ApiKeys(Path(settings.api_keys_file)) if settings.api_keys_file else None,
            tokens,
            custom,
            Certificates(Path(settings.client_certificates_file)) if settings.client_certificates_file else None,
        )
