"""The process that asks a project's own `auth`: `python -m runwire.core.access.custom_process FD`."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from langgraph_sdk import Auth

from runwire.core import logs
from runwire.core.access.custom_handler import Unusable, asked, check
from runwire.core.access.custom_protocol import connected, send
from runwire.core.project import Project, ProjectError

_log = logging.getLogger(__name__)


async def main(sock: socket.socket) -> None:
    """Answers until the server has gone."""
    reader, writer = await connected(sock)
    try:
        auth = _loaded(Path(os.environ["RUNWIRE_GRAPHS"]))
    except (ProjectError, Unusable) as error:
        send(writer, error=str(error).removesuffix("."))
        await writer.drain()
        return
    send(writer, ready=True)
    tenant_key = os.environ["RUNWIRE_CUSTOM_AUTH_TENANT"]
    answering: set[asyncio.Task[None]] = set()
    async for line in reader:
        task = asyncio.create_task(_answer(writer, auth, json.loads(line), tenant_key))
        answering.add(task)
        task.add_done_callback(answering.discard)


def _loaded(file: Path) -> Auth:
    project = Project.read(file)
    project.enter()
    found = project.find(project.auth, "auth")
    check(found)
    auth: Auth = found
    return auth


async def _answer(writer: asyncio.StreamWriter, auth: Auth, question: dict[str, Any], tenant_key: str) -> None:
    number = question["id"]
    try:
        caller = await asked(auth, question["method"], question["headers"], tenant_key)
    except (Exception, asyncio.CancelledError) as error:
        # The words of an exception may hold what the call has shown, so they are left out.
        where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        _log.error(
            "the project's auth failed",
            extra={"action": "custom_auth_failed", "error": type(error).__name__, "where": where[-3:]},
        )
        send(writer, id=number, failed=True)
    else:
        send(writer, id=number, caller=caller)


def _end_with_the_server() -> None:
    """The event loop runs the project's code and may be blocked; a thread is not."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    logs.configure(os.environ["RUNWIRE_LOG_LEVEL"], "auth")
    threading.Thread(target=_end_with_the_server, name="life", daemon=True).start()
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1]))))
