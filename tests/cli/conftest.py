"""The command line as a process of its own, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runwire.embedded import Servers

ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 90.0


class Command:
    """`runwire ARG…` with `state_dir` as its state folder; its output is in `output` once it has ended."""

    def __init__(self, state_dir: Path, *args: str | Path, cwd: Path = ROOT, **variables: str) -> None:
        self.output = ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115, closed by `end` or `abort`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runwire.cli", *args],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=_environment(RUNWIRE_STATE_DIR=str(state_dir), **variables),
        )

    async def end(self) -> int:
        """Waits for its end and returns its exit code."""
        code = await asyncio.to_thread(self._process.wait, _LIMIT)
        self.output = self.so_far()
        self._log.close()
        return code

    async def says(self, text: str) -> None:
        """Waits until the text is in the output."""
        deadline = time.monotonic() + _LIMIT
        while text not in self.so_far():
            assert self._process.poll() is None, f"it ended: {self.so_far()}"
            assert time.monotonic() < deadline, f"it never said {text!r}: {self.so_far()}"
            await asyncio.sleep(0.05)

    def so_far(self) -> str:
        """The output up to now."""
        return os.pread(self._log.fileno(), 10_000_000, 0).decode("utf-8")

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the command alone."""
        self._process.send_signal(number)

    def abort(self) -> None:
        """For a test that failed: ends the command, and with it all that it started."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


Start = Callable[..., Command]


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state folder that the servers' account can enter, also when that is not the account of the test."""
    folder = Path(tempfile.mkdtemp(prefix="runwire-cli-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start(state_dir: Path) -> Iterator[Start]:
    """Starts a command."""
    started: list[Command] = []

    def begin(*args: str | Path, **options: object) -> Command:
        started.append(Command(state_dir, *args, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for command in started:
        command.abort()


@pytest.fixture
def uris(servers: Servers, database_uri: str) -> dict[str, str]:
    """Variables that name the session's Redis and a database of the test's own, in place of embedded ones."""
    return {"DATABASE_URI": database_uri, "REDIS_URI": servers.redis_uri}


async def assert_nothing_is_left(state_dir: Path) -> None:
    """Fails when a process that has to do with the state folder outlives the next seconds."""
    deadline = time.monotonic() + 20
    while left := [process for process in psutil.process_iter() if _has_to_do_with(process, str(state_dir))]:
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)


def _has_to_do_with(process: psutil.Process, state_dir: str) -> bool:
    with suppress(psutil.Error):
        words = [*process.cmdline(), *process.environ().values()]
        return process.pid != os.getpid() and any(state_dir in word for word in words)
    return False


def _environment(**variables: str) -> dict[str, str]:
    """This process's, without what would configure Runwire."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("RUNWIRE_") and name not in ("DATABASE_URI", "REDIS_URI")
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
