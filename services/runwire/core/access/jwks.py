"""The keys that tokens are signed with: a JWK set, out of a file or from where an identity provider publishes it."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
import orjson
from jwt import PyJWK

from runwire.core.access.rereading import Reread
from runwire.core.errors import AuthenticationUnavailable

_log = logging.getLogger(__name__)

_FETCH_SECONDS = 5.0
_FRESH_SECONDS = 300.0
_SOON_OLD_SECONDS = 240.0  # fetched beside the calls from then on, so that none has to wait where there are many
_USABLE_SECONDS = 3600.0  # a provider that is away for longer may have withdrawn a key
_COOL_SECONDS = 5.0  # so that tokens with invented key ids can't make us flood it
_MOST_BYTES = 1024 * 1024

KeySet = Mapping[str | None, PyJWK]
"""Keys by their id."""


class Keys(Protocol):
    """Where the keys are."""

    async def key(self, key_id: str | None) -> PyJWK | None:
        """The key with this id; without one, the only key there is. AuthenticationUnavailable: it can't be told."""


class FileKeys:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """AccessError when the file can't be used."""
        self._file = Reread(read_keys, path)

    async def key(self, key_id: str | None) -> PyJWK | None:
        """As `Keys` says."""
        return _chosen(self._file.value(), key_id)


class FetchedKeys:
    """The keys behind a URL.

    They are fetched again when they are five minutes old, and when a token names a key that is not among them; one
    fetch at a time, for which all wait. While the URL does not answer, what it last said counts for up to an hour, and
    is asked for again beside the calls.
    """

    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._keys: KeySet = {}
        self._fetched = -_USABLE_SECONDS
        self._tried = -_COOL_SECONDS
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, key_id: str | None) -> PyJWK | None:
        """As `Keys` says."""
        now = time.monotonic()
        found = _chosen(self._keys, key_id)
        if found is None or now - self._tried >= _FRESH_SECONDS or now - self._fetched >= _USABLE_SECONDS:
            await self._fetch()
            found = _chosen(self._keys, key_id)
        elif now - self._fetched >= _SOON_OLD_SECONDS:
            self._begin_fetch()
        if time.monotonic() - self._fetched >= _USABLE_SECONDS:
            raise AuthenticationUnavailable
        return found

    async def aclose(self) -> None:
        """Ends a fetch under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> None:
        fetching = self._begin_fetch()
        if fetching is not None:
            # The fetch is everybody's: a caller that goes away does not end it.
            await asyncio.shield(fetching)

    def _begin_fetch(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if time.monotonic() - self._tried < _COOL_SECONDS:
            return None
        self._fetching = asyncio.create_task(self._try(), name="jwks")
        return self._fetching

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                self._keys = read_keys(await self._read())
        except (TimeoutError, OSError, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            _log.warning(
                "the keys of tokens can't be fetched",
                extra={"action": "jwks_unavailable", "host": urlsplit(self._url).hostname, "error": repr(error)},
            )
        else:
            self._fetched = time.monotonic()
        # At its end, so that nobody uses the keys of before while a fetch that is due goes on.
        self._tried = time.monotonic()

    async def _read(self) -> bytes:
        async with self._client.stream("GET", self._url, headers={"accept": "application/json"}) as response:
            if response.status_code != 200:
                raise ValueError(f"HTTP status {response.status_code}")
            content = b""
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MOST_BYTES:
                    raise ValueError("more than a megabyte")
            return content


@asynccontextmanager
async def opened(where: str) -> AsyncIterator[Keys]:
    """The keys in a file or behind a URL. AccessError when the file can't be used; a URL may be away."""
    if not where.startswith(("http://", "https://")):
        yield FileKeys(Path(where))
        return
    async with httpx2.AsyncClient(verify=ssl.create_default_context(), follow_redirects=False) as client:
        keys = FetchedKeys(where, client)
        try:
            yield keys
        finally:
            await keys.aclose()


def read_keys(raw: bytes) -> KeySet:
    """The keys of a JWK set that verify signatures. ValueError when there is none.

    Symmetric keys are left out: whoever has one could sign tokens as well.
    """
    content = orjson.loads(raw)
    listed = content.get("keys") if isinstance(content, dict) else None
    keys = [key for key in map(_key, listed if isinstance(listed, list) else []) if key is not None]
    if not keys:
        raise ValueError("it has no public key that verifies signatures")
    found = {key.key_id: key for key in keys}
    if len(found) < len(keys):
        raise ValueError("two keys have the same id, or none")
    return found


def _key(content: Any) -> PyJWK | None:
    if not isinstance(content, dict) or content.get("kty") == "oct" or content.get("use", "sig") != "sig":
        return None
    if not isinstance(content.get("kid"), str | None):
        return None
    try:
        return PyJWK(content)
    except Exception:
        # Others may use kinds of keys that we don't know, and what is odd in one raises anything.
        return None


def _chosen(keys: KeySet, key_id: str | None) -> PyJWK | None:
    if key_id is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(key_id)
