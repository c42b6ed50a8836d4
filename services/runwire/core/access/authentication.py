"""Whose credentials these are, by everything that is set up to tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runwire.core.access.api_keys import PREFIX, ApiKeys
from runwire.core.access.certificates import Certificates
from runwire.core.identity import Identity
from runwire.core.settings import Settings


class Authentication:
    """API keys, and client certificates for calls that show no key."""

    def __init__(self, api_keys: ApiKeys | None, certificates: Certificates | None) -> None:
        self._api_keys = api_keys
        self.certificates = certificates

    async def identity(self, credentials: Sequence[str]) -> Identity | None:
        """The caller with these credentials, of which there must be exactly one. None: nobody."""
        if len(credentials) != 1:
            return None
        [credential] = credentials
        if credential.startswith(PREFIX):
            return self._api_keys.identity(credential) if self._api_keys else None
        return None


def authentication(settings: Settings) -> Authentication | None:
    """What the settings ask for. None: nothing is set up. AccessError when it can't be used."""
    if not settings.authenticates:
        return None
    return Authentication(
        ApiKeys(Path(settings.api_keys_file)) if settings.api_keys_file else None,
        Certificates(Path(settings.client_certificates_file)) if settings.client_certificates_file else None,
    )
