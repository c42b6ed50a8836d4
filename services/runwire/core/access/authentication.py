"""Whose credentials these are, by everything that is set up to tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runwire.core.access.api_keys import PREFIX, ApiKeys
from runwire.core.errors import Unauthenticated
from runwire.core.identity import Identity
from runwire.core.settings import Settings


class Authentication:
    """API keys."""

    def __init__(self, api_keys: ApiKeys | None) -> None:
        self._api_keys = api_keys

    async def identity(self, credentials: Sequence[str]) -> Identity:
        """The caller with these credentials, of which there must be exactly one. Raises Unauthenticated."""
        if len(credentials) != 1:
            raise Unauthenticated
        found = None
        if credentials[0].startswith(PREFIX) and self._api_keys is not None:
            found = self._api_keys.identity(credentials[0])
        if found is None:
            raise Unauthenticated
        return found


def authentication(settings: Settings) -> Authentication | None:
    """What the settings ask for. None: nothing is set up. AccessError when it can't be used."""
    if not settings.authenticates:
        return None
    return Authentication(ApiKeys(Path(settings.api_keys_file)) if settings.api_keys_file else None)
