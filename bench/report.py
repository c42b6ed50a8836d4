"""The tables: medians over the repetitions, with their range."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from bench.cells import MATRIX, Cell, Sample
from bench.processes import PARTS

Values: TypeAlias = Sequence[float]
Column: TypeAlias = tuple[str, Callable[[Sample], float | None]]

_WIDTH_OF_A_FILE = 160


def _at(*path: str) -> Callable[[Sample], float | None]:
    def value(sample: Sample) -> float | None:
        found: Any = sample
        for key in path:
            found = found.get(key, {})
        return found if isinstance(found, int | float) else None

    return value


RUNS: Sequence[Column] = [
    ("runs/s", _at("runs_per_s")),
    ("engine ÷ it", _at("times", "engine")),
    ("p50 ms", _at("latency_ms", "p50")),
    ("÷ floor", _at("times", "latency")),
    ("p95 ms", _at("latency_ms", "p95")),
    ("first event p50", _at("first_event_ms", "p50")),
    ("lag p50", _at("lag_ms", "p50")),
    ("÷ floor", _at("times", "lag")),
    ("lag p99", _at("lag_ms", "p99")),
    ("missing, bad, errors", lambda sample: sample["missing"] + sample["bad"] + sample["errors"]),
]
CPU: Sequence[Column] = [
    *((name, _at("cpu_ms", name)) for name in PARTS),
    ("all", lambda sample: sum(sample["cpu_ms"].values())),
]


def add_ratios(sample: Sample, floors: Mapping[str, float]) -> None:
    """Says how many times the floor of the same repetition a sample is.

    engine   runs/s of the engine alone on one core, by runs/s
    latency  one run at a time, by the least it needs: the engine, two calls, two commits, a wake-up and a publication
    lag      of an event, by one publication and half of a call
    """
    times = {}
    engine = floors.get(f"engine {sample['workload']}")
    if engine and sample["runs"]:
        times["engine"] = 1e3 / engine / sample["runs_per_s"]
        if sample["concurrency"] == 1:
            least = engine + 2 * (floors["grpc"] + floors["postgres"] + floors["redis"])
            times["latency"] = sample["latency_ms"]["p50"] / least
    if sample["lag_ms"]:
        times["lag"] = sample["lag_ms"]["p50"] / (floors["redis"] + floors["grpc"] / 2)
    sample["times"] = times


def show(samples: Sequence[Sample], floors: Sequence[Mapping[str, float]]) -> None:
    """Prints the floors and both tables."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(_floor_table(floors))
    console.print(_table("Runs", RUNS, samples))
    console.print(_table("CPU ms a run", CPU, samples))
    for error in sorted({sample["first_error"] for sample in samples} - {""}):
        console.print(error, style="red", markup=False)


def _floor_table(floors: Sequence[Mapping[str, float]]) -> Table:
    table = Table("floor", "ms", title="Floors, one at a time", title_justify="left")
    for name in floors[0]:
        table.add_row(name, _median([each[name] for each in floors]))
    return table


def _table(title: str, columns: Sequence[Column], samples: Sequence[Sample]) -> Table:
    table = Table("cell", title=title, title_justify="left")
    for name, _ in columns:
        table.add_column(name, justify="right")
    for cell in MATRIX:
        those = list(_of(cell, samples))
        if those:
            values = ([value(sample) for sample in those] for _, value in columns)
            table.add_row(
                f"{cell.workload.name} {cell.kind} {cell.concurrency}",
                *(_median([value for value in each if value is not None]) for each in values),
            )
    return table


def _of(cell: Cell, samples: Sequence[Sample]) -> Iterable[Sample]:
    wanted = (cell.workload.name, cell.kind, cell.concurrency)
    return (each for each in samples if (each["workload"], each["kind"], each["concurrency"]) == wanted)


def _median(values: Values) -> str:
    if not values:
        return ""
    middle, low, high = map(_short, (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} [{low}-{high}]"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
