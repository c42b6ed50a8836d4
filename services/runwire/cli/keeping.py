"""Puts another process in the place of one that died."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from runwire.cli.errors import StackError
from runwire.cli.process import Process
from runwire.cli.stack import Stack

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
_STEADY_SECONDS = 60.0  # a process that lived for this long starts again without delay


@asynccontextmanager
async def kept_up(stack: Stack, say: Callable[[str], None]) -> AsyncIterator[None]:
    """During the block, processes that die are started again, ever later if they keep dying, and `say` is told."""
    tasks = [asyncio.create_task(_keep_up(stack, process, say)) for process in stack.processes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_up(stack: Stack, process: Process, say: Callable[[str], None]) -> None:
    delay = _FIRST_DELAY
    while True:
        began = time.monotonic()
        code = await process.wait()
        if time.monotonic() - began > _STEADY_SECONDS:
            delay = _FIRST_DELAY
        say(f"{process.name} {_how(code)}; it is started again in {delay:g} s. Its log is {process.log}.")
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)
        try:
            await stack.restart(process.name)
            say(f"{process.name} serves again.")
        except StackError as error:
            say(str(error))


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was ended by {signal.Signals(-code).name}"
