"""An `auth` of a project, for tests: what a call shows says what becomes of the process."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path

from langgraph_sdk import Auth

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str) -> dict[str, str]:
    """Everybody is who the token says, once that is done which it says as well."""
    identity = authorization.removeprefix("Bearer ")
    if identity == "waits":
        await asyncio.to_thread(_wait_for_the_lock)
    elif does := _BEHAVIOUR.get(identity):
        does()
    return {"identity": identity, "tenant": "acme"}


def _fails() -> None:
    raise RuntimeError("secret")


def _is_cancelled() -> None:
    raise asyncio.CancelledError


def _wait_for_the_lock() -> None:
    with Path(os.environ["LOCK"]).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)


def _writes() -> None:
    os.write(int(sys.argv[1]), os.environ["WORDS"].encode() + b"\n")


def _forks() -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)


def _blocks() -> None:
    time.sleep(60)


def _dies() -> None:
    os._exit(3)


_BEHAVIOUR = {
    "fails": _fails,
    "cancelled": _is_cancelled,
    "writes": _writes,
    "forks": _forks,
    "blocks": _blocks,
    "dies": _dies,
}
