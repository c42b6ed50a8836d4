"""A worker is stopped for two leases and goes on: whatever it still had in hand, it changes nothing."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import asyncpg

from tests.faults import plans
from tests.faults.calls import calling
from tests.faults.checker import check
from tests.faults.evidence import collect
from tests.faults.history import History, read
from tests.faults.journal import read as read_journal
from tests.faults.load import Running, User
from tests.faults.plans import Plan
from tests.faults.rig import TIMES, Rig, rigged
from tests.faults.scenarios.result import Result

_TRIES = 100
_AT_ONCE = 36
_LEASES = 2.0


async def run(seed: int, folder: Path) -> Result:
    """100 runs and more are taken over from workers that are stopped in the midst of them."""
    async with rigged(folder, ("worker-1", "worker-2", "dispatch-1", "stream-1")) as rig:
        history, rng = History(folder / "history.jsonl"), random.Random(seed)
        addresses = {member.name: member.front.address for member in rig.members.values() if member.front is not None}
        rounds = late = 0
        async with calling(addresses, history, rng, rig.keys) as calls:
            while await _taken_over(rig) < _TRIES:
                rounds += 1
                users = [User(calls, rng, Running(), plans.new_id()) for _ in range(_AT_ONCE)]
                runs = [(user, await user.create(_plan(rng))) for user in users]
                late += await _stop(rig, "worker-1" if rounds % 2 else "worker-2", history)
                await asyncio.gather(*(user.end(run_id) for user, run_id in runs))
        history.close()
        tries = await _taken_over(rig)
        evidence = await collect(rig.postgres.uri, list(read(history.path)), list(read_journal(rig.journal)))
        noticed = sum(log.read_text().count('"claim_lost"') for log in (folder / "logs").glob("worker-*.log"))
    violations = check(evidence)
    figures = {
        "rounds": rounds,
        "runs taken over": tries,
        "checkpoints": len(evidence.saved),
        "batches of events": len(evidence.logged),
        "messages of stopped workers that came late": late,
        "refusals that stopped workers heard of": noticed,
        "stale writes": sum(violation.invariant == "I3" for violation in violations),
    }
    return Result(figures=figures, violations=violations)


def _plan(rng: random.Random) -> Plan:
    """Writes all the time: checkpoints, and events many times a second."""
    does = {"steps": rng.randint(20, 23), "events": 21, "pause": 0.1, "delay": 0.2}
    return Plan(graph="steps", does=does, durability=rng.choice(["sync", "async"]))


async def _stop(rig: Rig, name: str, history: History) -> int:
    """Stops a worker for two leases, with writes under way that arrive when it has lost its runs; how many."""
    member = rig.members[name]
    await asyncio.sleep(1.0)
    member.postgres.hold(True)
    await asyncio.sleep(0.3)
    pids = member.signal(signal.SIGSTOP, executors=True)
    seconds = _LEASES * TIMES["lease"].total_seconds()
    await asyncio.sleep(seconds)
    late = sum(len(pair.far.waiting) for pair in member.postgres.pairs)
    member.postgres.hold(False)
    # The executors first: they are to write before their supervisor finds out and ends them.
    member.signal(signal.SIGCONT, supervisor=False, executors=True)
    await asyncio.sleep(0.2)
    member.signal(signal.SIGCONT)
    touches = [name, member.postgres.name]
    kind = "stop worker beyond its lease"
    history.note("fault", kind=kind, seconds=seconds + 0.2, touches=touches, target=name, stopped=pids)
    return late


async def _taken_over(rig: Rig) -> int:
    connection = await asyncpg.connect(rig.postgres.uri)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM runs WHERE claim > 1"))
    finally:
        await connection.close()
