"""What the two embedded servers have in common: files, lock, port, password, start and end."""

import abc
import asyncio
import os
import random
import secrets
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from runwire.embedded.account import server_account
from runwire.embedded.errors import EmbeddedError
from runwire.embedded.home import Lock, find_home
from runwire.embedded.process import Child, end_leftover

# Below the range from which systems choose the ports of outgoing connections.
_PORTS = range(15_000, 30_000)
_KILL: tuple[tuple[int, float], ...] = ((signal.SIGKILL, 30.0),)


class Server(abc.ABC):
    """A server on 127.0.0.1 whose files belong to one state folder.

    The process that started it owns it: it holds a lock on the state folder until `stop()`, and the server
    ends when that process ends, however that happens (on Linux at once, elsewhere at the next start).
    `durable=False` trades safety for speed, for tests.
    """

    word: ClassVar[str]
    _end_steps: ClassVar[tuple[tuple[int, float], ...]]
    _start_limit: ClassVar[float] = 60.0  # seconds; recovery after a crash is part of a start

    def __init__(self, state_dir: Path, *, durable: bool = True) -> None:
        self._account = server_account()
        self._durable = durable
        self.home = find_home(state_dir, self._account, durable=durable)
        self._folder = self.home.path / self.word
        self._lock = Lock(self.home.state_dir / f"{self.word}.lock")
        self._child: Child | None = None
        self._port: int | None = None

    @property
    @abc.abstractmethod
    def uri(self) -> str:
        """The address with its password; valid once the server was started here or by another process."""

    @abc.abstractmethod
    async def _prepare(self) -> None:
        """Makes the data folder, where there is none yet."""

    @abc.abstractmethod
    def _command(self) -> list[str | Path]:
        """Program and arguments."""

    @abc.abstractmethod
    async def is_answering(self) -> bool:
        """Whether the server, this object's or another process's, is ready for use."""

    async def _finish_start(self) -> bool:
        """Whether the start is complete; asked again until it is."""
        return await self.is_answering()

    @property
    def pid(self) -> int | None:
        """The process id, None when this object runs no server."""
        return self._child.pid if self._child and self._child.exit_code is None else None

    @property
    def port(self) -> int:
        return self._port or int((self._folder / "port").read_text())

    @property
    def password(self) -> str:
        return (self._folder / "password").read_text().strip()

    async def start(self) -> None:
        """Returns when the server answers; EmbeddedError when it cannot run or another process runs it."""
        if not await self.try_start():
            raise EmbeddedError(f"Another process runs {self.word} in {self.home.state_dir}: stop that one first.")

    async def try_start(self) -> bool:
        """Like `start`, but answers False when another process owns the state folder."""
        if self.pid is not None:
            return True
        if not self._lock.take():
            return False
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return True

    async def _start(self) -> None:
        self._make_folder()
        if leftover := self._number_in("pid"):
            await end_leftover(leftover, str(self._folder), (*self._end_steps, *_KILL))
        await self._prepare()
        self._choose_port()
        self._child = Child(
            self._command(), account=self._account, folder=self._folder, end_signal=self._end_steps[0][0]
        )
        self._pid_file.write_text(str(self._child.pid))
        await self._wait_for_start(self._child)

    async def _wait_for_start(self, child: Child) -> None:
        try:
            async with asyncio.timeout(self._start_limit):
                while not await self._finish_start():
                    if child.exit_code is not None:
                        raise EmbeddedError(f"{self.word} did not start: {child.last_words()} (see {child.log})")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise EmbeddedError(
                f"{self.word} did not answer within {self._start_limit:.0f} s: {child.last_words()} (see {child.log})"
            ) from None

    async def stop(self) -> None:
        """Ends the server in order and gives the state folder back; harmless when nothing runs."""
        await self._end((*self._end_steps, *_KILL))
        self._lock.give_back()

    async def kill(self) -> None:
        """Ends the server as a crash would; the state folder stays with this object."""
        await self._end(_KILL)

    async def restart(self) -> None:
        """Starts the server anew on the same port and data, after ending it where it still runs."""
        await self._end((*self._end_steps, *_KILL))
        await self.start()

    async def _end(self, steps: tuple[tuple[int, float], ...]) -> None:
        if self._child is not None:
            await self._child.end(steps)
            self._child = None
            self._pid_file.unlink(missing_ok=True)

    @property
    def _pid_file(self) -> Path:
        return self._folder / "pid"

    def _make_folder(self) -> None:
        if not self._folder.exists():
            self._folder.mkdir(mode=0o700)
            self._account.give(self._folder)
        if not (self._folder / "password").exists():
            self._write_private("password", secrets.token_hex(24))

    def _number_in(self, name: str) -> int:
        """The number in a file of the server's folder, 0 when there is none."""
        try:
            return int((self._folder / name).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _write_private(self, name: str, text: str) -> Path:
        """Writes a file for the server's account alone, whole or not at all."""
        path = self._folder / name
        draft = path.with_name(f"{name}.draft")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
        self._account.give(draft)
        draft.replace(path)
        return path

    def _choose_port(self) -> None:
        """Keeps the port of the last start; only this object's first start avoids one that is taken."""
        if self._port is not None:
            return
        kept = self._number_in("port")
        self._port = kept if kept and _is_free(kept) else _free_port()
        self._write_private("port", str(self._port))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _free_port() -> int:
    for port in random.sample(_PORTS, 200):
        if _is_free(port):
            return port
    raise EmbeddedError(f"No free port between {_PORTS.start} and {_PORTS.stop} on 127.0.0.1 could be found.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
