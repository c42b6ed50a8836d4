"""What is counted and timed of a run, and the table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from rich.table import Table


@dataclass(slots=True, kw_only=True)
class Figures:
    """One run, from the moment its creation was asked for. Times are seconds; a step is an execution of a node."""

    title: str
    began: float = field(default_factory=monotonic)
    first_event: float | None = None
    events: int = 0
    steps: int = 0
    total: float = 0.0

    def count(self, kind: str | None) -> None:
        """Counts an event by its payload's name."""
        if kind == "heartbeat":
            return
        self.total = monotonic() - self.began
        if self.first_event is None:
            self.first_event = self.total
        self.events += 1
        self.steps += kind == "update"


def figures_table(runs: Sequence[Figures]) -> Table:
    """A row for each run and one for all of them."""
    table = Table(title="Figures", title_justify="left", show_footer=len(runs) > 1)
    in_all = (
        ("run", "all"),
        ("time to first event", _seconds(runs[0].first_event)),
        ("events", str(sum(run.events for run in runs))),
        ("steps", str(sum(run.steps for run in runs))),
        ("total", _seconds(sum(run.total for run in runs))),
    )
    for name, footer in in_all:
        table.add_column(name, footer, justify="left" if name == "run" else "right")
    for run in runs:
        table.add_row(run.title, _seconds(run.first_event), str(run.events), str(run.steps), _seconds(run.total))
    return table


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"
