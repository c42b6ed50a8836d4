"""One process that asks a project's `auth`, as its server sees it. `custom_process` is the other end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

from runwire.core.access import AccessError
from runwire.core.access.custom_protocol import connected, send
from runwire.core.errors import AuthenticationUnavailable
from runwire.core.identity import Identity
from runwire.core.settings import Settings

_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_MOST_ASKED = 1000
_OWN = ("DATABASE_URI", "REDIS_URI")


class Child:
    """Asks one process until that is over.

    A question counts until it is answered, also when its caller has gone: the process works on it all the same.
    """

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[Identity | None]] = {}

    @classmethod
    async def started(cls, settings: Settings) -> Child:
        """A process that is ready. AccessError when the project's `auth` can't be used."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await connected(ours)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "runwire.core.access.custom_process", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=PIPE,  # its end is ours, whatever their code does meanwhile
                stdout=2,
                env=_environment(settings),
                start_new_session=True,
            )
        child = cls(process, reader, writer)
        try:
            await child._get_ready(settings)
        except BaseException:
            await child.end()
            raise
        return child

    async def ask(self, method: str, headers: Sequence[tuple[str, str]]) -> Identity | None:
        """Who calls. None: nobody. AuthenticationUnavailable: no answer, or enough to do without this question."""
        if self._writer.is_closing() or len(self._asked) >= _MOST_ASKED:
            raise AuthenticationUnavailable
        number = next(self._numbers)
        answer: asyncio.Future[Identity | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        send(self._writer, id=number, method=method, headers=headers)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await answer
        except TimeoutError as error:
            raise AuthenticationUnavailable from error

    async def over(self) -> str:
        """Waits until the process is of no use any more, whether or not it lives, and says why."""
        # The end of the socket would not do: what the process has started may hold it.
        ended = asyncio.create_task(self._process.wait())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait([ended, reading], return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else f"it ended with {ended.result()}"
        finally:
            ended.cancel()
            reading.cancel()

    async def end(self) -> None:
        """Ends the process and all that it started. Whoever waits for an answer gets none."""
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(AuthenticationUnavailable())
        with suppress(ProcessLookupError, PermissionError):  # macOS: not permitted, where only zombies are left
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def _get_ready(self, settings: Settings) -> None:
        error = "it ended before it was ready"
        try:
            async with asyncio.timeout(_START_SECONDS):
                first = json.loads(await self._reader.readline() or b"{}")
            if first == {"ready": True}:
                return
            error = first.get("error", error)
        except TimeoutError:
            error = f"it was not ready within {_START_SECONDS:g} s"
        except (ValueError, AttributeError):
            error = "its first words were not those of the protocol"
        raise AccessError(f"The auth of {settings.graphs} can't be used: {error}.")

    async def _read(self) -> str:
        try:
            while line := await self._line():
                self._take(json.loads(line))
        except TimeoutError:
            return f"it answered nothing for {_ANSWER_SECONDS:g} s"
        except OSError:
            pass
        except Exception as error:
            return f"what it said is no answer: {type(error).__name__}"
        return "it closed the connection"

    async def _line(self) -> bytes:
        """The next line. TimeoutError: for as long as a call waits there were questions, and no answer to any of them.

        By what is answered and not by who waits, since callers may be less patient.
        """
        while True:
            is_asked = bool(self._asked)
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await self._reader.readline()
            except TimeoutError:
                if is_asked:
                    raise

    def _take(self, answer: Any) -> None:
        identity = _identity(answer.get("caller"))
        waiting = self._asked.pop(answer["id"])
        if waiting.done():
            return
        if "failed" in answer:
            waiting.set_exception(AuthenticationUnavailable())
        else:
            waiting.set_result(identity)


def _identity(caller: Mapping[str, Any] | None) -> Identity | None:
    return None if caller is None else Identity(caller["tenant"], caller["identity"], frozenset(caller["scopes"]))


def _environment(settings: Settings) -> dict[str, str]:
    """What the project's code gets to see: nothing of ours but where it is and what a tenant is."""
    theirs = {name: value for name, value in os.environ.items() if not name.startswith("RUNWIRE_") and name not in _OWN}
    return theirs | {
        "RUNWIRE_GRAPHS": str(settings.graphs),
        "RUNWIRE_LOG_LEVEL": settings.log_level,
        "RUNWIRE_CUSTOM_AUTH_TENANT": settings.custom_auth_tenant,
    }
