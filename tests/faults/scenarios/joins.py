"""20,000 joins of running streams while PubSub clients are killed, and some readers are slow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.faults.campaign import Options
from tests.faults.campaign import run as campaign
from tests.faults.scenarios.result import Result, of_campaign

_JOINS = 20_000


async def run(seed: int, folder: Path) -> Result:
    """Nothing is lost, comes twice or out of order without a Gap."""
    options = Options(
        seed=seed,
        seconds=900,
        joins=_JOINS,
        pace=2.5,
        pause=0.5,
        followers=100,
        share=1.0,
        attention=12,
        kinds=("kill pubsub clients",),
        stories=("chatty", "many_steps", "long"),
        members=("worker-1", "dispatch-1", "stream-1", "stream-2"),
    )
    outcome = await campaign(options, folder)
    parts = [part for entry in outcome.evidence.of("read") for part in entry["parts"]]
    gaps = Counter(part[1] for part in parts if part[0] == "gap")
    result = of_campaign(outcome, **{f"gaps said ({reason})": count for reason, count in gaps.items()})
    if result.figures["joins of running runs"] < _JOINS:
        result.misses.append(f"there were fewer than {_JOINS} joins")
    return result
