"""TLS in front of a server that speaks none, as managed databases have it."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@asynccontextmanager
async def tls_proxy(port: int, context: ssl.SSLContext, *, postgres: bool = False) -> AsyncIterator[int]:
    """Listens on a free port with TLS and hands the plain bytes to `port`. Postgres' clients ask for TLS first."""
    calls: set[asyncio.Task[None]] = set()

    async def accept(reader: StreamReader, writer: StreamWriter) -> None:
        if postgres:
            assert await reader.readexactly(8) == _SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(context)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        calls.update(asyncio.create_task(_copy(*ends)) for ends in ((reader, back), (there, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=None if postgres else context) as server:
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)


async def _copy(source: StreamReader, target: StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()
    target.close()
