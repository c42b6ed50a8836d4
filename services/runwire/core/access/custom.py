"""A project's own authentication: the `auth` of its langgraph.json, asked in a process that runs nothing else.

Users' code stays out of the servers: it can neither block nor end them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from runwire.core.access.custom_child import Child
from runwire.core.errors import AuthenticationUnavailable
from runwire.core.identity import Identity
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0


class CustomAuth:
    """Asks a process, and starts another one whenever that is of no use any more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._child: Child | None = None

    async def identity(self, metadata: Iterable[tuple[str, str | bytes]] | None, method: str) -> Identity | None:
        """The caller, by all metadata that is text. None: nobody. AuthenticationUnavailable: it can't be told."""
        if self._child is None:
            raise AuthenticationUnavailable
        headers = [(name, value) for name, value in metadata or () if isinstance(value, str)]
        return await self._child.ask(method, headers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Asks until the block ends. AccessError when the project's `auth` can't be used."""
        self._child = await Child.started(self._settings)
        keeping = asyncio.create_task(self._keep(self._child), name="custom-auth")
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            if self._child is not None:
                await self._child.end()

    async def _keep(self, child: Child) -> None:
        while True:
            why = await child.over()
            _log.error("the process of the project's auth is over", extra={"action": "custom_auth_ended", "why": why})
            self._child = None
            await child.end()
            self._child = child = await self._another()

    async def _another(self) -> Child:
        while True:
            await asyncio.sleep(_RESTART_SECONDS)
            try:
                return await Child.started(self._settings)
            except Exception as error:  # whatever it is, a server without an answer is worse
                _log.error("the project's auth can't be started", extra={"action": "custom_auth", "error": str(error)})
