"""The way from synchronous code into the loop that owns the connections."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopBridge:
    """Runs coroutines in the loop it was made in, on behalf of any other thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Block this thread until the loop has run `coroutine`, and return its result.

        Raises RuntimeError in the loop's own thread, which would wait for itself, and once the loop stopped.
        """
        try:
            self._check()
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except BaseException:
            coroutine.close()
            raise
        return future.result()

    def _check(self) -> None:
        if not self._loop.is_running():
            raise RuntimeError("the event loop that this checkpointer or store belongs to is not running")
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            return
        if here is self._loop:
            raise RuntimeError(
                "a synchronous call from the event loop's own thread would wait for itself: "
                "use the asynchronous method, or call from a thread (a synchronous node runs in one)"
            )
