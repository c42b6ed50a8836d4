"""The threads that synchronous nodes run in, known by their run: a run has ended when its threads have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar

from runwire.core.ids import RunKey
from runwire.worker.execute import current_run


class RunThreads(ThreadPoolExecutor):
    """The event loop's default executor. Python can't stop a thread, so a cancelled run waits for its own."""

    # The process's: a loop has one default executor, and whoever waits for a run need not be who installed it.
    _running: ClassVar[dict[RunKey, set[Future[Any]]]] = {}

    def __init__(self, size: int) -> None:
        super().__init__(size, thread_name_prefix="node")

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Makes this the executor that synchronous nodes get."""
        loop.set_default_executor(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs `fn` in a thread on behalf of the current run."""
        future = super().submit(fn, *args, **kwargs)
        run = current_run.get()
        if run is not None:
            self._running.setdefault(run, set()).add(future)
            future.add_done_callback(lambda done: self._forget(run, done))
        return future

    async def ended(self, run: RunKey) -> None:
        """Waits until no thread executes code of the run."""
        while futures := [asyncio.wrap_future(f) for f in tuple(self._running.get(run, ())) if not f.done()]:
            await asyncio.wait(futures)

    def _forget(self, run: RunKey, future: Future[Any]) -> None:
        futures = self._running.get(run)
        if futures is not None:
            futures.discard(future)
            if not futures:
                self._running.pop(run, None)
