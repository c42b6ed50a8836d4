"""An event loop on virtual time: no IO, and a seed decides in which order runs what is ready."""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio.events import _set_running_loop
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(AssertionError):
    """Nothing is left that could ever happen, or too much has happened."""


class Call:
    """A callback that is due; in place of asyncio's handles."""

    __slots__ = ("_when", "args", "callback", "context", "is_cancelled")

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        self._when = when
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self._when


class VirtualLoop:
    """As much of a loop as tasks, futures, events and time-outs need.

    Time goes on only when nothing is ready; then it jumps to what is due next.
    """

    def __init__(self, rng: random.Random) -> None:
        self._as_loop: Any = self
        self._random = rng.random
        self._now = 0.0
        self._ready: list[Call] = []
        self._timers: list[tuple[float, int, Call]] = []
        self._numbers = count()
        self._tasks: list[asyncio.Task[Any]] = []
        self.failures: list[str] = []
        self.journal: list[tuple[float, str, tuple[object, ...]]] = []

    def note(self, what: str, *details: object) -> None:
        """Puts something down for whoever wants to know how it came about."""
        self.journal.append((self._now, what, details))

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:
        call = Call(self._now, callback, args, context or copy_context())
        self._ready.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Call:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Call:
        call = Call(when, callback, args, context or copy_context())
        heapq.heappush(self._timers, (when, next(self._numbers), call))
        return call

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self._as_loop)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self._as_loop, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    @property
    def unfinished(self) -> list[asyncio.Task[Any]]:
        """Tasks that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def run(self, main: Coroutine[Any, Any, T], *, limit: float) -> T:
        """Runs to the end of `main`. Raises Stuck beyond `limit` virtual seconds."""
        _set_running_loop(self._as_loop)
        try:
            task = self.create_task(main, name="main")
            while not task.done():
                self._turn(limit)
            result: T = task.result()
            return result
        finally:
            self._abandon()
            _set_running_loop(None)

    def settle(self) -> None:
        """Lets everything happen that is ready now."""
        while self._ready:
            self._run_one()

    def _turn(self, limit: float) -> None:
        if not self._ready:
            self._advance(limit)
        self._run_one()

    def _run_one(self) -> None:
        ready = self._ready
        if not ready:
            return
        number = int(self._random() * len(ready))
        ready[number], ready[-1] = ready[-1], ready[number]
        call = ready.pop()
        if not call.is_cancelled:
            call.context.run(call.callback, *call.args)

    def _advance(self, limit: float) -> None:
        timers = self._timers
        while timers and timers[0][2].is_cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Stuck("nothing is left that could happen")
        self._now = max(self._now, timers[0][0])
        if self._now > limit:
            raise Stuck(f"not over after {limit:g} s")
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])

    def _abandon(self) -> None:
        for _ in range(20):
            unfinished = self.unfinished
            if not unfinished:
                break
            for task in unfinished:
                task.cancel()
            self.settle()
