"""A TCP proxy that breaks or silences its connections, or loses what the server says, when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards to one address."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self.address = ""
        self.accepted = 0
        self.refusing = False
        self.losing = False

    def cut(self) -> None:
        """Breaks all connections. New ones are taken again."""
        for writer in self._open:
            writer.transport.abort()

    def silence(self) -> None:
        """From now on nothing comes through the connections that there are, and neither end is told."""
        self._silent |= self._open

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways."""
        if self.refusing:
            writer.transport.abort()
            return
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(self._pump(reader, far_writer, up=True), self._pump(far_reader, writer, up=False))
        finally:
            self._open -= {writer, far_writer}
            self._silent -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if writer not in self._silent and (up or not self.losing):
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def proxy_of(target: str) -> AsyncIterator[Proxy]:
    """A proxy before `target`, on a free port."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.forward, "127.0.0.1", 0)
    proxy.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        await server.wait_closed()
