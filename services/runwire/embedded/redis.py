"""The embedded Redis: a Valkey server with an append-only file, on 127.0.0.1 with a password."""

import asyncio
import signal
from pathlib import Path
from typing import ClassVar

from runwire.embedded.binaries import find_redis
from runwire.embedded.server import Server


class Redis(Server):
    """Redis on 127.0.0.1."""

    word: ClassVar[str] = "redis"
    _end_steps: ClassVar[tuple[tuple[int, float], ...]] = ((signal.SIGTERM, 10.0),)

    @property
    def uri(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    async def _prepare(self) -> None:
        self._program = await asyncio.to_thread(find_redis, self._account, self.home.path / "bin")
        data = self._folder / "data"
        if not data.exists():
            data.mkdir(mode=0o700)
            self._account.give(data)

    def _command(self) -> list[str | Path]:
        # In a file, since anybody may read a command line.
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "requirepass": self.password,
            "dir": f'"{self._folder / "data"}"',
            "appendonly": "yes",
            "appendfsync": "everysec" if self._durable else "no",
            "save": '""',
        }
        lines = "\n".join(f"{name} {value}" for name, value in settings.items())
        return [self._program, self._write_private("redis.conf", lines)]

    async def is_answering(self) -> bool:
        try:
            async with asyncio.timeout(5):
                return await self._ping()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    async def _ping(self) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"AUTH {self.password}\r\nPING\r\n".encode())
            answers = [await reader.readuntil(b"\r\n") for _ in range(2)]
        finally:
            writer.close()
        return answers == [b"+OK\r\n", b"+PONG\r\n"]
