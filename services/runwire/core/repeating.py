"""Loops that do something every so often, whatever happens to one turn."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from runwire.core import postgres

_log = logging.getLogger(__name__)

Step = Callable[[], Awaitable[bool]]
"""One turn; True: there is more to do at once."""


@asynccontextmanager
async def repeating(limit: timedelta, *steps: tuple[timedelta, Step]) -> AsyncIterator[None]:
    """Takes each step again and again, with its pause in between, until the block ends. `limit` is for one turn."""
    loops = [asyncio.create_task(_every(pause, limit.total_seconds(), step)) for pause, step in steps]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        for loop in loops:
            with suppress(asyncio.CancelledError):
                await loop


async def _every(pause: timedelta, limit: float, step: Step) -> None:
    while True:
        if not await _once(limit, step):
            # Replicas that were started together drift apart.
            await asyncio.sleep(pause.total_seconds() * random.uniform(0.9, 1.1))


async def _once(limit: float, step: Step) -> bool:
    try:
        async with asyncio.timeout(limit):
            return await step()
    except Exception as error:
        transient = postgres.is_transient(error)
        _log.log(
            logging.WARNING if transient else logging.ERROR,
            "a turn failed; the next one makes up for it",
            exc_info=None if transient else error,
            extra={"action": "turn_failed", "step": getattr(step, "__name__", ""), "error": type(error).__name__},
        )
        return False
