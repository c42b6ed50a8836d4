"""The record of a campaign or a scenario: one JSON file, from which docs/reliability.md is made."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.campaign import Outcome
from tests.faults.figures import of_parts

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "reliability"


def of_campaign(outcome: Outcome) -> dict[str, Any]:
    """What is kept of a campaign."""
    evidence, options = outcome.evidence, outcome.options
    statuses = Counter(row.status for row in evidence.rows.values())
    return {
        "kind": "campaign",
        **_when_and_what(),
        "seed": options.seed,
        "minutes": round(outcome.seconds / 60, 1),
        "runs": len(evidence.rows),
        "runs acknowledged": len(list(evidence.of("created"))),
        "runs by status": dict(sorted(statuses.items())),
        "runs whose attempts all died": sum(
            row.error_type == "AttemptsExhausted" and row.graph_id != "deadly" for row in evidence.rows.values()
        ),
        "events logged": sum(log.events for log in evidence.logs.values()),
        "events read": outcome.figures["events read"],
        "joins": outcome.figures["joins"],
        "faults": outcome.faults.total(),
        "faults by kind": dict(sorted(outcome.faults.items())),
        "violations": dict(Counter(violation.invariant for violation in outcome.violations)),
        "mistakes": len(outcome.mistakes),
        "processes before": evidence.figures["before"],
        "processes after": evidence.figures["after"],
        "the same processes": {when: of_parts(found) for when, found in evidence.figures["steady"].items()},
        "most": evidence.figures["most"],
    }


def of_scenario(name: str, seed: int, figures: dict[str, Any], violations: int) -> dict[str, Any]:
    """What is kept of a scenario."""
    return {"kind": "scenario", "name": name, **_when_and_what(), "seed": seed, **figures, "violations": violations}


def keep(record: dict[str, Any], folder: Path = RECORDS) -> Path:
    """Writes it down, in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    name = record["name"] if record["kind"] == "scenario" else f"campaign-{record['minutes']:g}-minutes"
    file = folder / f"{record['date'][:10]}-{name}-seed-{record['seed']}.json"
    file.write_text(json.dumps(record, indent=2) + "\n")
    return file


def _when_and_what() -> dict[str, str]:
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {"date": datetime.now(UTC).isoformat(timespec="minutes"), "commit": commit.stdout.strip() or "unknown"}
