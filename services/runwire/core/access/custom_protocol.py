"""What the servers and the process that asks a project's `auth` tell each other: JSON, an object a line, over a socket.

server -> process    {id, method, headers: [[name, value]]}
process -> server    first {ready} or {error}; then {id, caller: {identity, tenant, scopes}}, {id, caller: null}
                     or {id, failed}, which was logged there
"""

from __future__ import annotations

import asyncio
import json
import socket

_LINE_BYTES = 1024 * 1024


async def connected(sock: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One end. Longer lines than the protocol has are a ValueError of its reader."""
    return await asyncio.open_connection(sock=sock, limit=_LINE_BYTES)


def send(writer: asyncio.StreamWriter, **message: object) -> None:
    """One line."""
    writer.write(json.dumps(message).encode() + b"\n")
