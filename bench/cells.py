"""The matrix: what is measured, and how one cell of it is."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bench.driver import Runwire
from bench.processes import Processes

Kind: TypeAlias = Literal["wait", "stream", "burst"]
Sample: TypeAlias = dict[str, Any]

_WRITTEN_AT = re.compile(rb'"t": ?(\d+)')
_WARM_UP_RUNS = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """A graph, its input and stream mode, the payload events that a run must deliver (None: any), and its output."""

    name: str
    graph: str
    input: dict[str, Any]
    mode: str
    events: int | None
    output: bytes


W1 = Workload("W1", "noop", {"value": "a"}, "values", None, b"done")
W2 = Workload("W2", "tokens", {"value": "a"}, "custom", 200, b"done")
W2M = Workload("W2m", "messages", {"value": "a"}, "messages", 200, b"done")
W3 = Workload("W3", "steps", {"n": 0}, "values", None, b"10-9")
W4 = Workload("W4", "slow", {"value": "a"}, "custom", 50, b"done")


@dataclass(frozen=True, slots=True)
class Cell:
    """`wait` and `stream` repeat runs for some time, `concurrency` at once; `burst` opens that many streams, once."""

    workload: Workload
    kind: Kind
    concurrency: int


MATRIX: Sequence[Cell] = [
    *(Cell(W1, "wait", many) for many in (1, 10, 50)),
    *(Cell(W1, "stream", many) for many in (1, 10)),
    *(Cell(W2, "stream", many) for many in (1, 10)),
    Cell(W2M, "stream", 10),
    *(Cell(W3, "wait", many) for many in (1, 10, 50)),
    *(Cell(W4, "burst", many) for many in (10, 50, 200)),
]


@dataclass(slots=True)
class Tally:
    """What the client saw in one cell; all times in milliseconds."""

    latency: list[float] = field(default_factory=list)
    first_event: list[float] = field(default_factory=list)
    lag: list[float] = field(default_factory=list)
    missing: int = 0
    bad: int = 0
    errors: int = 0
    first_error: str = ""


class Measuring:
    """One cell in progress."""

    def __init__(self, driver: Runwire, cell: Cell) -> None:
        self._driver = driver
        self._cell = cell
        self.tally = Tally()

    async def run(self, seconds: float) -> None:
        """Runs until `seconds` have passed and what had begun has ended; a burst: until its runs have ended."""
        end = time.perf_counter() + seconds
        once = self._cell.kind == "burst"
        await asyncio.gather(*(self._repeat(end, once) for _ in range(self._cell.concurrency)))

    async def warm_up(self) -> None:
        """A few runs that do not count."""
        await asyncio.gather(*(self._counted() for _ in range(min(_WARM_UP_RUNS, self._cell.concurrency))))
        self.tally = Tally()

    async def _repeat(self, end: float, once: bool) -> None:
        await self._counted()
        while not once and time.perf_counter() < end:
            await self._counted()

    async def _counted(self) -> None:
        one: Callable[[int], Coroutine[Any, Any, None]] = self._wait if self._cell.kind == "wait" else self._stream
        began = time.time_ns()
        try:
            await one(began)
        except Exception as error:
            self.tally.errors += 1
            self.tally.first_error = self.tally.first_error or repr(error)[:300]
            await asyncio.sleep(0.05)
        else:
            self.tally.latency.append((time.time_ns() - began) / 1e6)

    async def _wait(self, began: int) -> None:
        workload = self._cell.workload
        output = await self._driver.wait(workload.graph, workload.input)
        self.tally.bad += workload.output not in output

    async def _stream(self, began: int) -> None:
        workload, tally = self._cell.workload, self.tally
        wanted, payloads, last = workload.mode.encode(), 0, b""
        first = 0

        def on_event(kind: bytes, data: bytes, received: int) -> None:
            nonlocal first, payloads, last
            first = first or received
            if kind == wanted:
                payloads, last = payloads + 1, data
                if written := _WRITTEN_AT.search(data):
                    tally.lag.append((received - int(written[1])) / 1e6)

        await self._driver.stream(workload.graph, workload.input, workload.mode, on_event)
        tally.first_event.append((first - began) / 1e6)
        if workload.events is None:
            tally.bad += workload.output not in last
        else:
            tally.missing += max(0, workload.events - payloads)


async def measure(target: str, cell: Cell, seconds: float, processes: Processes) -> Sample:
    """One repetition of one cell."""
    driver = Runwire(target)
    await driver.open(cell.concurrency)
    try:
        measuring = Measuring(driver, cell)
        await measuring.warm_up()
        before, began = processes.cpu_seconds(), time.perf_counter()
        await measuring.run(seconds)
        elapsed, after = time.perf_counter() - began, processes.cpu_seconds()
    finally:
        await driver.close()
    tally = measuring.tally
    runs = len(tally.latency)
    return {
        "workload": cell.workload.name,
        "kind": cell.kind,
        "concurrency": cell.concurrency,
        "runs": runs,
        "runs_per_s": runs / elapsed,
        "latency_ms": percentiles(tally.latency),
        "first_event_ms": percentiles(tally.first_event),
        "lag_ms": percentiles(tally.lag),
        "missing": tally.missing,
        "bad": tally.bad,
        "errors": tally.errors,
        "first_error": tally.first_error,
        "cpu_ms": {name: 1e3 * (after[name] - before[name]) / max(runs, 1) for name in after},
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """The 50th, 95th and 99th percentile, or nothing of nothing."""
    ordered = sorted(values)
    return {f"p{rank}": ordered[round(rank / 100 * (len(ordered) - 1))] for rank in (50, 95, 99) if ordered}
