"""The record of a campaign or a scenario: one JSON file, from which docs/reliability.md is made."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from runwire.embedded.account import Account
from runwire.embedded.binaries import find_postgres, find_redis
from tests.faults.campaign import Outcome
from tests.faults.figures import of_parts
from tests.faults.scenarios.result import Result

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


def of_scenario(name: str, seed: int, result: Result) -> dict[str, Any]:
    """What is kept of a scenario."""
    bad = {"violations": len(result.violations), "misses": len(result.misses)}
    return {"kind": "scenario", "name": name, **_when_and_what(), "seed": seed, **result.figures, **bad}


def keep(record: dict[str, Any], folder: Path = RECORDS) -> Path:
    """Writes it down, in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    name = record["name"] if record["kind"] == "scenario" else f"campaign-{record['minutes']:g}-minutes"
    file = folder / f"{record['date'][:10]}-{name}-seed-{record['seed']}.json"
    file.write_text(json.dumps(record, indent=2) + "\n")
    return file


def _when_and_what() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _told("git", "rev-parse", "--short=10", "HEAD") or "unknown",
        "changed since": bool(_told("git", "status", "--porcelain")),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory (GB)": round(psutil.virtual_memory().total / 1e9, 1),
            "python": platform.python_version(),
            **_servers(),
        },
    }


def _servers() -> dict[str, str]:
    """The versions of the servers that campaigns stand on."""
    # As its own account it needs no copies of them.
    own, copies = Account(uid=-1, gid=-1), Path()
    postgres, redis = find_postgres(own, copies, major=None).postgres, find_redis(own, copies)
    return {
        "postgres": _told(str(postgres), "--version"),
        "redis": " ".join(_told(str(redis), "--version").split()[:3]),
    }


def _told(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
