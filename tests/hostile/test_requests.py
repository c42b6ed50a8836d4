"""Hostile requests for every RPC, against real processes.

RUNWIRE_FUZZ_REQUESTS says how many, and RUNWIRE_FUZZ_SEED which ones.
"""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path

import pytest

from runwire.cli.stack import Stack
from runwire.core.settings import Settings
from tests.hostile import aftermath, campaign
from tests.hostile.aftermath import Rows
from tests.hostile.calls import Caller
from tests.hostile.campaign import Figures

REQUESTS = int(os.environ.get("RUNWIRE_FUZZ_REQUESTS", "2000"))
SEED = int(os.environ.get("RUNWIRE_FUZZ_SEED", secrets.randbelow(2**31)))
GROWTH_MB = 32


def _growth(samples: list[float]) -> float:
    """How much more was held at least in the second half than in the first. Peaks are one large request's."""
    middle = len(samples) // 2
    return min(samples[middle:]) - min(samples[max(1, middle // 4) : middle + 1])


@pytest.mark.slow
@pytest.mark.timeout(90 + REQUESTS // 20)
def test_no_request_gets_more_than_a_refusal(
    processes: Stack,
    settings_of_processes: Settings,
    caller: Caller,
    rows: Rows,
    logs: Path,
    witness: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pids = {process.name: process.pid for process in processes.processes if process.pid is not None}
    families, memory, figures = aftermath.families(pids), list[dict[str, float]](), Figures()
    # Of other tests on the same processes.
    earlier = set(aftermath.alarms(logs))
    for _ in campaign.run(caller, figures, REQUESTS, SEED):
        memory.append(aftermath.memory(pids))
    rows.quieten(caller)
    refused, changes = aftermath.changes_by(caller, rows, itertools.chain(*figures.refused.values()))

    with capsys.disabled():
        print(f"\nRUNWIRE_FUZZ_SEED={SEED}\n{figures.table()}")
        for name in pids:
            print(f"{name:10}", *(f"{sample[name]:.0f}" for sample in memory[:: len(memory) // 10 or 1]), "MB")
        print(f"{refused} refused requests, some of each RPC and code, were repeated on a quiet database")
    said = [f"{what}: {raw[:400]!r}" for what, (_, raw) in figures.faults.items()]
    alarms = [alarm for alarm in aftermath.alarms(logs) if alarm not in earlier]
    never = [f"{rpc.name} refused every request" for rpc in figures.never_answered()]
    assert not (wrong := [*said, *changes, *alarms, *never]), "\n".join([f"RUNWIRE_FUZZ_SEED={SEED}", *wrong])
    assert aftermath.families(pids) == families
    assert not aftermath.unhealthy({process.name: process.address for process in processes.processes})
    assert not aftermath.followed(settings_of_processes)
    assert not aftermath.started(witness, families)
    growth = {name: _growth([sample[name] for sample in memory]) for name in pids}
    assert not {name: mb for name, mb in growth.items() if mb > GROWTH_MB}
