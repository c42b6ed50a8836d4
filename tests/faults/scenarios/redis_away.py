"""200 runs and more while Redis is flushed, and dead for seconds at a time."""

from __future__ import annotations

from pathlib import Path

from tests.faults.campaign import Options
from tests.faults.campaign import run as campaign
from tests.faults.scenarios.result import Result, of_campaign

_RUNS = 200


async def run(seed: int, folder: Path) -> Result:
    """All runs end, all streams are complete, and everything is as before when Redis is back."""
    options = Options(
        seed=seed,
        seconds=60,
        pace=4,
        pause=2,
        kinds=("flush redis", "kill redis"),
        stories=("short", "many_steps", "chatty", "long", "cancelled", "queue", "approval"),
    )
    outcome = await campaign(options, folder)
    read = [entry for entry in outcome.evidence.of("read") if entry["finished"] is not None]
    result = of_campaign(outcome, **{"streams read to their end": len(read)})
    if result.figures["runs"] < _RUNS:
        result.misses.append(f"there were fewer than {_RUNS} runs")
    if not all(outcome.faults.get(kind) for kind in options.kinds):
        result.misses.append("Redis was not flushed and killed both")
    return result
