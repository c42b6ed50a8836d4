"""`python -m bench`: starts Postgres, Redis and the four processes, runs the matrix and prints the tables."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import floors, report
from bench.cells import MATRIX, Cell, Sample, measure
from bench.processes import Processes
from runwire.cli.home import served
from runwire.cli.stack import running
from runwire.core.settings import Settings

_GRAPHS = Path(__file__).with_name("langgraph.json")
_STATE = Path(".runwire") / "bench"


def main() -> None:
    """Parses the arguments and runs the benchmark; exits with 1 when a run failed, went missing or was wrong."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--repetitions", type=int, help="of the whole matrix, one after another (default: 3)")
    parser.add_argument("--seconds", type=float, help="of a cell that repeats runs (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one repetition of short cells")
    parser.add_argument("--only", default="", help="only cells whose name begins so, for example 'W2 stream'")
    parser.add_argument("--out", type=Path, help="a file to which each sample is added, as a line of JSON")
    options = parser.parse_args()
    options.repetitions = options.repetitions or (1 if options.quick else 3)
    options.seconds = options.seconds or (0.7 if options.quick else 3.0)
    samples = _run(_benchmark(options))
    sys.exit(any(each["missing"] + each["bad"] + each["errors"] for each in samples))


async def _benchmark(options: argparse.Namespace) -> list[Sample]:
    console = Console(stderr=True)
    samples: list[Sample] = []
    all_floors: list[Sample] = []
    cells = [cell for cell in MATRIX if _name(cell).startswith(options.only)]
    async with (
        served(_settings(), _fresh(_STATE)) as settings,
        running(settings, log_dir=_STATE / "logs") as stack,
    ):
        target = f"{stack.address('dispatch')},{stack.address('stream')}"
        processes = await Processes.of(stack, settings)
        for repetition in range(options.repetitions):
            all_floors.append(await floors.measure(settings, options.seconds / 6))
            _write(options.out, {"repetition": repetition, "floors": all_floors[-1]})
            for cell in cells:
                with console.status(f"{_name(cell)}, {repetition + 1} of {options.repetitions}"):
                    sample = await measure(target, cell, options.seconds, processes)
                report.add_ratios(sample, all_floors[-1])
                samples.append(sample)
                _write(options.out, {"repetition": repetition, **sample})
    report.show(samples, all_floors)
    return samples


def _settings() -> Settings:
    """What the environment says, and else what suits the benchmark: one executor with 200 slots, free ports."""
    given = Settings()
    ports = {f"{part}_port": 0 for part in ("resource", "dispatch", "stream", "worker")}
    wanted: dict[str, Any] = {"graphs": _GRAPHS, "executors": 1, "slots": 200, "log_level": "WARNING", **ports}
    return given.model_copy(update={key: wanted[key] for key in wanted.keys() - given.model_fields_set})


def _fresh(state_dir: Path) -> Path:
    """An empty state folder: what a former run left in the tables would slow this one down."""
    location = state_dir / "location"
    if location.exists():
        shutil.rmtree(location.read_text().strip(), ignore_errors=True)
    shutil.rmtree(state_dir, ignore_errors=True)
    return state_dir


def _name(cell: Cell) -> str:
    return f"{cell.workload.name} {cell.kind} {cell.concurrency}"


def _write(out: Path | None, line: Sample) -> None:
    if out is not None:
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")


def _run(benchmark: Any) -> Sequence[Sample]:
    """On uvloop where it is installed: the client should not be what is measured."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(benchmark)
    samples: Sequence[Sample] = uvloop.run(benchmark)
    return samples


if __name__ == "__main__":
    main()
