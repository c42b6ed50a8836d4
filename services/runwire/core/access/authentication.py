"""Whose credentials these are, by everything that is set up to tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from runwire.core.access.api_keys import PREFIX, ApiKeys
from runwire.core.access.certificates import Certificates
from runwire.core.identity import Identity
from runwire.core.settings import Settings

if TYPE_CHECKING:
    from runwire.core.access.tokens import Tokens


class Authentication:
    """API keys and tokens, and client certificates for calls that show neither."""

    def __init__(self, api_keys: ApiKeys | None, tokens: Tokens | None, certificates: Certificates | None) -> None:
        self._api_keys = api_keys
        self._tokens = tokens
        self.certificates = certificates

    async def identity(self, credentials: Sequence[str]) -> Identity | None:
        """The caller with these credentials, of which there must be exactly one. None: nobody.

        AuthenticationUnavailable: it can't be told at the moment.
        """
        if len(credentials) != 1:
            return None
        [credential] = credentials
        if credential.startswith(PREFIX):
            return self._api_keys.identity(credential) if self._api_keys else None
        return await self._tokens.identity(credential) if self._tokens else None


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
        yield Authentication(
            ApiKeys(Path(settings.api_keys_file)) if settings.api_keys_file else None,
            tokens,
            Certificates(Path(settings.client_certificates_file)) if settings.client_certificates_file else None,
        )
