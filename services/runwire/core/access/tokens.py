"""Tokens of an identity provider: JWTs that it signed, and who their bearers are."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import jwt

from runwire.core.access.grants import TENANT
from runwire.core.access.jwks import Keys, opened
from runwire.core.identity import Identity
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.scopes import EVERYTHING, is_grant
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)

_REQUIRED = ["exp", "iss", "aud", "sub"]


class Tokens:
    """Verifies tokens by the keys of their issuer. A token may do nothing that its claims do not say."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._keys = keys
        self._algorithms = settings.jwt_algorithms.split()
        self._audiences = settings.jwt_audience.split()
        self._issuer = settings.jwt_issuer
        self._leeway = settings.jwt_leeway
        self._tenant_claim = settings.jwt_tenant_claim
        self._scopes_claim = settings.jwt_scopes_claim

    async def identity(self, token: str) -> Identity | None:
        """Whose token it is. None: it is not valid. AuthenticationUnavailable: the issuer's keys can't be had."""
        try:
            header = jwt.get_unverified_header(token)
            # Asked first, so that no other algorithm has keys fetched.
            if header.get("alg") not in self._algorithms:
                raise jwt.InvalidAlgorithmError
            key = await self._keys.key(header.get("kid"))
            if key is None:
                raise jwt.InvalidKeyError
            return self._bearer(self._verified(token, key))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            _log.info("a token is not valid", extra={"action": "token_invalid", "why": type(error).__name__})
            return None

    def _verified(self, token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
        return jwt.decode(
            token,
            key,
            algorithms=self._algorithms,
            audience=self._audiences,
            issuer=self._issuer,
            leeway=self._leeway,
            options={"require": _REQUIRED, "enforce_minimum_key_length": True},
        )

    def _bearer(self, claims: Mapping[str, Any]) -> Identity:
        tenant = claims.get(self._tenant_claim) if self._tenant_claim else DEFAULT_TENANT
        if not isinstance(tenant, str) or not re.fullmatch(TENANT, tenant):
            raise ValueError("no tenant")
        if not claims["sub"]:
            raise ValueError("no subject")
        granted = _texts(claims.get(self._scopes_claim)) if self._scopes_claim else [EVERYTHING]
        return Identity(tenant, claims["sub"], frozenset(filter(is_grant, granted)))


def _texts(claim: Any) -> list[str]:
    """A claim of several texts, which is a list of them or one text with spaces."""
    if isinstance(claim, str):
        return claim.split()
    return [text for text in claim if isinstance(text, str)] if isinstance(claim, list) else []


@asynccontextmanager
async def verifying(settings: Settings) -> AsyncIterator[Tokens]:
    """Verifies as the settings say. AccessError when a file of keys can't be used."""
    async with opened(settings.jwt_jwks) as keys:
        yield Tokens(settings, keys)
