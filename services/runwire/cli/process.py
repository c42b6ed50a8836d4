"""One process of Runwire: on the leash, with a log of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from runwire import embedded

# The leash ends a process when this one ends, however that happens.
_LEASH = Path(embedded.__file__).with_name("leash.py")
_SAME_ACCOUNT = "-1"


class Process:
    """`python -m runwire.<part>`. `name` tells several processes of one part apart."""

    def __init__(self, name: str, part: str, address: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.part = part
        self.address = address
        self.log = log
        self._environment = environment
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """None: it does not run."""
        return self._child.pid if self._child is not None and self._child.returncode is None else None

    async def launch(self) -> None:
        """Starts it; whether it serves is another matter. Output is added to the log."""
        with self.log.open("ab") as output:
            self._child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_LEASH)),
                *(str(os.getpid()), str(int(signal.SIGKILL)), _SAME_ACCOUNT, _SAME_ACCOUNT),
                *(sys.executable, "-m", f"runwire.{self.part}"),
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                env=dict(self._environment),
                start_new_session=True,  # Ctrl-C is for this command, which ends things in order
            )

    async def wait(self) -> int:
        """Its exit code, once it has ended; minus the signal if one ended it."""
        return await self._child.wait() if self._child is not None else 0

    def kill(self) -> None:
        """What `kill -9` does."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.kill()

    async def end(self, limit: float) -> None:
        """Asks it to end, and kills it with all that it started after `limit` seconds."""
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            self._child.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._child.wait()
        self._kill_session()
        await self._child.wait()
        self._child = None

    def _kill_session(self) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def last_lines(self, count: int) -> list[str]:
        """The end of its log, without blank lines."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if line.strip()][-count:]
