"""What a scenario tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.faults.campaign import Outcome
from tests.faults.checker import Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Figures, and what was not as it should be."""

    figures: dict[str, Any]
    violations: list[Violation] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    """Ways in which the scenario did not come up to its own measure: too few tries, too slow."""


def of_campaign(outcome: Outcome, **more: Any) -> Result:
    """For scenarios that are campaigns of a special kind."""
    evidence = outcome.evidence
    figures = {
        "seconds": round(outcome.seconds, 1),
        "runs": len(evidence.rows),
        "events logged": sum(log.events for log in evidence.logs.values()),
        "events read": outcome.figures["events read"],
        "joins of running runs": outcome.figures["joins of running runs"],
        **outcome.faults,
        **more,
    }
    return Result(figures=figures, violations=outcome.violations, misses=list(outcome.mistakes))
