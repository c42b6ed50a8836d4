"""Commands that run until they are done or stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(main: Coroutine[Any, Any, int], *, stopped: int | None = None) -> int:
    """The exit code of `main`, which SIGINT, SIGTERM and SIGHUP cancel; then it is `stopped`, or 128 and the signal.

    Further signals change nothing, so that what was started is taken down in order.
    """
    return asyncio.run(_until_signalled(main, stopped))


async def _until_signalled(main: Coroutine[Any, Any, int], stopped: int | None) -> int:
    received: list[int] = []
    work = asyncio.create_task(main)

    def stop(number: int) -> None:
        received.append(number)
        if len(received) == 1:
            work.cancel()

    for number in _STOPPING:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0] if stopped is None else stopped
