"""The line between a supervisor and one of its executors: a socket pair with a JSON object a line.

    supervisor -> executor   start {worker_id}, ping {}, cancel {run}, drain {}
    executor -> supervisor   ready {graph_ids}, failed {reason}, pong {}

An executor reads it in a thread of its own, since its event loop runs users' code and may be blocked. When the line
ends, or is silent for two leases, the supervisor is dead or stopped and the executor ends at once: its runs have been
given to others by then.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

LINK_VARIABLE = "RUNWIRE_EXECUTOR_LINK"
"""The environment variable that holds the executor's end: a file descriptor."""

Message = dict[str, Any]


class ExecutorEnd:
    """The executor's end. `on_message` is called in the event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    @classmethod
    def inherited(cls) -> ExecutorEnd:
        """The end that the supervisor left to this process."""
        return cls(socket.socket(fileno=int(os.environ[LINK_VARIABLE])))

    def send(self, kind: str, **fields: object) -> None:
        """Sends a message; short enough never to block."""
        self._socket.sendall(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    def listen(self, on_message: Callable[[Message], None], silence: float) -> None:
        """Reads until the supervisor is gone, and then ends this process, whatever it does.

        From the first message on, `silence` seconds without another mean that it is gone.
        """
        loop = asyncio.get_running_loop()

        def read() -> None:
            with suppress(OSError), self._socket.makefile("rb") as lines:
                for line in lines:
                    loop.call_soon_threadsafe(on_message, json.loads(line))
                    self._socket.settimeout(silence)
            os._exit(1)

        threading.Thread(target=read, name="link", daemon=True).start()


class SupervisorEnd:
    """The supervisor's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def pair(cls) -> tuple[SupervisorEnd, socket.socket]:
        """Both ends: this one, and the socket to hand to the executor."""
        ours, theirs = socket.socketpair()
        return cls(*await asyncio.open_connection(sock=ours)), theirs

    def send(self, kind: str, **fields: object) -> None:
        """Sends a message. An executor that is dead is noticed elsewhere."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"kind": kind, **fields}).encode() + b"\n")

    async def receive(self) -> Message | None:
        """The next message; None when the executor is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        message: Message | None = json.loads(line) if line else None
        return message

    def close(self) -> None:
        """Closes the line, which ends the executor."""
        self._writer.close()
