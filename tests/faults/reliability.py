"""docs/reliability.md, made from the records: `python -m tests.faults.reliability` writes it anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.record import RECORDS, ROOT

PAGE = ROOT / "docs" / "reliability.md"

_INTRODUCTION = """# Reliability

What the project promises when things break is in the invariants I1 to I14; this page is what was seen when they were
put to the test. It is made from the records in [`reliability/`](reliability) by `python -m tests.faults.reliability`;
each is what one command printed, on the machine and at the commit that it names.

`./buildout.sh faults --minutes 5` starts two Resources, two Dispatches, two Streams and three workers on a Postgres
and a Redis, every connection through a proxy. Users play some twenty stories (runs short and long, with many steps,
events or branches; pauses and answers, cancels and rollbacks at any moment, all strategies for busy threads, crons,
batches, deletions, webhooks, listeners to whole threads, updates of the state, code that fails, blocks, refuses to
stop or kills its process), fifty followers join, read fast or slowly, leave and resume elsewhere. Faults come at
random from the seed, several at once, while others are still being recovered from. The leases are short (four seconds,
five heartbeats), so that recoveries overlap faults; their proportions are those of the defaults.

Judged afterwards, an invariant at a time (`tests/faults/checks_*.py`): what clients were told, every event that a
follower read (compared with the log and with fresh readers), a journal that the graphs' nodes keep outside of the
product, what processes logged of their lives, what a receiver of webhooks got, and what triggers saw Postgres change.
A violation prints the seed, the command and all that is known of the run. Forged histories show that every check can
fail.
"""

_LEGEND = """
A stopped process knows nothing of its lost lease when it is continued: its user code may go on for a moment, as side
effects at least once mean. What it writes is refused, which is what is checked of it.
"""


def page(records: Iterable[dict[str, Any]], found: Iterable[dict[str, str]]) -> str:
    """The whole page."""
    records = sorted(records, key=lambda record: str(record["date"]))
    campaigns = [record for record in records if record["kind"] == "campaign"]
    scenarios = [record for record in records if record["kind"] == "scenario"]
    lines = [_INTRODUCTION + _LEGEND]
    lines += ["## Campaigns\n", *_campaigns(campaigns), ""]
    lines += ["## Faults of these campaigns\n", *_kinds(campaigns), ""]
    lines += ["## Processes before the load and after it\n", *_processes(campaigns), ""]
    lines += ["## Scenarios\n", *_scenarios(scenarios), ""]
    lines += ["## What they found before they were clean\n", *_found(found)]
    return "\n".join(lines).rstrip() + "\n"


def _campaigns(campaigns: list[dict[str, Any]]) -> Iterator[str]:
    yield from _table(
        ("date", "commit", "seed", "minutes", "runs", "events", "joins", "faults", "kinds", "violations"),
        (
            (
                record["date"][:10],
                f"`{record['commit']}`",
                record["seed"],
                f"{record['minutes']:g}",
                f"{record['runs']:,}",
                f"{record['events logged']:,}",
                f"{record['joins']:,}",
                f"{record['faults']:,}",
                len(record["faults by kind"]),
                ", ".join(f"{name}: {count}" for name, count in record["violations"].items()) or "0",
            )
            for record in campaigns
        ),
    )


def _kinds(campaigns: list[dict[str, Any]]) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for record in campaigns:
        counts.update(record["faults by kind"])
    yield from _table(("fault", "times"), sorted(counts.items()))


def _processes(campaigns: list[dict[str, Any]]) -> Iterator[str]:
    yield "The largest of each part, in the last campaign; connections as they are, up to the size of a pool.\n"
    if campaigns:
        before, after = campaigns[-1]["processes before"], campaigns[-1]["processes after"]
        names = ("megabytes", "files", "tasks", "postgres", "redis")
        yield from _table(
            ("part", *names),
            (
                (part, *(f"{before[part].get(n, '')} → {after.get(part, {}).get(n, '')}".strip(" →") for n in names))
                for part in before
            ),
        )


def _scenarios(scenarios: list[dict[str, Any]]) -> Iterator[str]:
    left_out = {"kind", "name", "date", "commit", "changed since", "machine", "seed", "violations"}
    yield from _table(
        ("scenario", "date", "commit", "seed", "figures", "violations"),
        (
            (
                record["name"],
                record["date"][:10],
                f"`{record['commit']}`",
                record["seed"],
                ", ".join(f"{name}: {value}" for name, value in record.items() if name not in left_out),
                record["violations"],
            )
            for record in scenarios
        ),
    )


def _found(found: Iterable[dict[str, str]]) -> Iterator[str]:
    yield from _table(
        ("invariant", "what happened", "by", "since then"),
        ((each["invariant"], each["what"], each["fault"], each["fix"]) for each in found),
    )


def _table(head: tuple[str, ...], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def current(folder: Path = RECORDS) -> str:
    """The page that the records make."""
    records = [json.loads(file.read_text()) for file in sorted(folder.glob("2*.json"))]
    return page(records, json.loads((folder / "found.json").read_text()))


if __name__ == "__main__":
    PAGE.write_text(current())
