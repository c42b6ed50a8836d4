"""Waiting for a condition, with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 0.02


async def until(question: Callable[[], Awaitable[T]], *, within: float = 20.0) -> T:
    """Asks until the answer is true, and returns it. TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not (answer := await question()):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return answer
