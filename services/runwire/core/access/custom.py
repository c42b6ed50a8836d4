"""A project's own authentication: the `auth` of its langgraph.json, asked in a process that runs nothing else.

Users' code stays out of the servers: it can neither block nor end them. `custom_process` is the other end; the two send
each other JSON, an object a line, over a socket pair.

    here -> there   {id, method, headers: [[name, value]]}
    there -> here   first {ready} or {error}; then {id, caller: {identity, tenant, scopes}}, {id, caller: null}
                    or {id, failed}, which was logged there
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

from runwire.core.access import AccessError
from runwire.core.errors import AuthenticationUnavailable
from runwire.core.identity import Identity
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)

_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_MOST_WAITING = 1000
_LINE_BYTES = 1024 * 1024
_RESTART_SECONDS = 1.0
_OWN = ("DATABASE_URI", "REDIS_URI")


class CustomAuth:
    """Asks the process, and starts it again when it has died."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._writer: asyncio.StreamWriter | None = None

    async def identity(self, metadata: Iterable[tuple[str, str | bytes]] | None, method: str) -> Identity | None:
        """The caller of a method, by all of the call's metadata. None: nobody. AuthenticationUnavailable: no answer."""
        if self._writer is None or len(self._waiting) >= _MOST_WAITING:
            raise AuthenticationUnavailable
        number = next(self._numbers)
        headers = [(name, value) for name, value in metadata or () if isinstance(value, str)]
        self._waiting[number] = answer = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(json.dumps({"id": number, "method": method, "headers": headers}).encode() + b"\n")
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await answer
        except (TimeoutError, ConnectionError) as error:
            raise AuthenticationUnavailable from error
        finally:
            del self._waiting[number]
        return None if found is None else Identity(found["tenant"], found["identity"], frozenset(found["scopes"]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Asks until the block ends. AccessError when the project's `auth` can't be used."""
        process, reader = await self._start()
        keeping = asyncio.create_task(self._keep(process, reader), name="custom-auth")
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _start(self) -> tuple[Process, asyncio.StreamReader]:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "runwire.core.access.custom_process", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=PIPE,  # its end is ours, whatever their code does meanwhile
                stdout=2,
                env=self._environment(),
                start_new_session=True,
            )
        try:
            reader, self._writer = await self._ready(ours)
        except BaseException:
            await _end(process)
            raise
        return process, reader

    async def _ready(self, ours: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(sock=ours, limit=_LINE_BYTES)
        try:
            async with asyncio.timeout(_START_SECONDS):
                first = json.loads(await reader.readline() or b"{}")
        except TimeoutError:
            first = {"error": f"it was not ready within {_START_SECONDS:g} s"}
        if "ready" not in first:
            writer.close()
            raise AccessError(f"The auth of {self._settings.graphs} can't be used: {first.get('error', 'it ended')}.")
        return reader, writer

    async def _keep(self, process: Process, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                await self._read(reader)
                self._forget()
                _log.error("the process of the project's auth has ended", extra={"action": "custom_auth_ended"})
                await _end(process)
                process, reader = await self._restart()
        finally:
            self._forget()
            await asyncio.shield(_end(process))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError, ValueError):
            async for line in reader:
                answer = json.loads(line)
                waiting = self._waiting.get(answer["id"])
                if waiting is None or waiting.done():
                    continue
                if "caller" in answer:
                    waiting.set_result(answer["caller"])
                else:
                    waiting.set_exception(AuthenticationUnavailable())

    async def _restart(self) -> tuple[Process, asyncio.StreamReader]:
        while True:
            await asyncio.sleep(_RESTART_SECONDS)
            try:
                return await self._start()
            except (AccessError, OSError) as error:
                _log.error("the project's auth can't be started", extra={"action": "custom_auth", "error": str(error)})

    def _forget(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(AuthenticationUnavailable())

    def _environment(self) -> dict[str, str]:
        """What the project's code gets to see: nothing of ours but where it is and what a tenant is."""
        theirs = {
            name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_") and name not in _OWN
        }
        settings = self._settings
        return theirs | {
            "RUNWIRE_GRAPHS": str(settings.graphs),
            "RUNWIRE_LOG_LEVEL": settings.log_level,
            "RUNWIRE_CUSTOM_AUTH_TENANT": settings.custom_auth_tenant,
        }


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
