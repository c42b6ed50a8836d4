"""docs/reliability.md, made from the records: `python -m tests.faults.reliability` writes it anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Template
from typing import Any

from tests.faults import stories
from tests.faults.record import RECORDS, ROOT

PAGE = ROOT / "docs" / "reliability.md"

_TEXT = Path(__file__).with_suffix(".md")


def page(records: Iterable[dict[str, Any]], found: Iterable[dict[str, str]]) -> str:
    """The whole page."""
    records = sorted(records, key=lambda record: str(record["date"]))
    campaigns = [record for record in records if record["kind"] == "campaign"]
    scenarios = [record for record in records if record["kind"] == "scenario"]
    tables = {
        "campaigns": _campaigns(campaigns),
        "kinds": _kinds(campaigns),
        "processes": _processes(campaigns),
        "scenarios": _scenarios(scenarios),
        "found": _found(found),
    }
    text = Template(_TEXT.read_text())
    return text.substitute({name: "\n".join(lines) for name, lines in tables.items()}, stories=len(stories.ALL))


def _campaigns(campaigns: list[dict[str, Any]]) -> Iterator[str]:
    yield from _table(
        ("date", "commit", "seed", "minutes", "runs", "events", "joins", "faults", "kinds", "violations", "machine"),
        (
            (
                record["date"][:10],
                _commit(record),
                record["seed"],
                f"{record['minutes']:g}",
                f"{record['runs']:,}",
                f"{record['events logged']:,}",
                f"{record['joins']:,}",
                f"{record['faults']:,}",
                len(record["faults by kind"]),
                ", ".join(f"{name}: {count}" for name, count in record["violations"].items()) or "0",
                _machine(record),
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
    left_out = {"kind", "name", "date", "commit", "changed since", "machine", "seed", "violations", "misses"}
    yield from _table(
        ("scenario", "date", "commit", "seed", "figures", "violations", "misses", "machine"),
        (
            (
                record["name"],
                record["date"][:10],
                _commit(record),
                record["seed"],
                ", ".join(f"{name}: {value}" for name, value in record.items() if name not in left_out),
                record["violations"],
                record.get("misses", ""),
                _machine(record),
            )
            for record in scenarios
        ),
    )


def _commit(record: dict[str, Any]) -> str:
    return f"`{record['commit']}`" + (" and changes" if record.get("changed since") else "")


def _machine(record: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in record.get("machine", {}).items())


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
