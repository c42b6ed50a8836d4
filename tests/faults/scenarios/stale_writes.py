"""A worker is stopped beyond its lease and goes on: whatever it still had in hand, or does now, it changes nothing.

What it had sent is held on its way and arrives late. Its executors go on before their supervisor can end them, and
write once more: checkpoints and events, and ends of runs whose time has run out meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import asyncpg

from tests.faults import figures, plans
from tests.faults.calls import calling
from tests.faults.checker import check
from tests.faults.evidence import collect
from tests.faults.history import History
from tests.faults.load import Running, User
from tests.faults.plans import Plan
from tests.faults.rig import TIMES, Rig, rigged
from tests.faults.scenarios.result import Result

_TRIES = 100
_AT_ONCE = 36
# Executors that hear nothing of their supervisor for two leases end at once, and write no more.
_LEASES = 1.5
_EXECUTORS_FIRST_SECONDS = 0.5


async def run(seed: int, folder: Path, tries: int = _TRIES) -> Result:
    """So many runs and more are taken over from workers that are stopped in the midst of them."""
    async with rigged(folder, ("worker-1", "worker-2", "dispatch-1", "stream-1")) as rig:
        history, rng = History(folder / "history.jsonl"), random.Random(seed)
        addresses = {member.name: member.front.address for member in rig.members.values() if member.front is not None}
        rounds = late = 0
        before = await figures.settled(rig)
        async with calling(addresses, history, rng, rig.keys) as calls:
            while await _taken_over(rig) < tries:
                rounds += 1
                users = [User(calls, rng, Running(), plans.new_id()) for _ in range(_AT_ONCE)]
                runs = [(user, await user.create(_plan(rng, n))) for n, user in enumerate(users)]
                late += await _stop(rig, "worker-1" if rounds % 2 else "worker-2", history)
                await asyncio.gather(*(user.end(run_id) for user, run_id in runs))
        after = await figures.settled(rig)
        history.close()
        taken_over = await _taken_over(rig)
        evidence = await collect(rig.postgres.uri, history.path, rig.journal, folder / "logs")
        refused = sum(log.read_text().count('"claim_lost"') for log in (folder / "logs").glob("worker-*.log"))
    evidence.figures = {"before": figures.of_parts(before), "after": figures.of_parts(after)}
    # There are no followers, and nobody looks at Redis.
    violations = check(evidence, without=["evidence"])
    told = {
        "rounds": rounds,
        "runs taken over": taken_over,
        "checkpoints": len(evidence.saved),
        "batches of events": len(evidence.logged),
        "messages of stopped workers that came late": late,
        "refusals that stopped workers heard of": refused,
        "stale writes": sum(violation.invariant == "I3" for violation in violations),
    }
    misses = [] if late else ["nothing came late"]
    misses += [] if refused else ["no stopped worker heard of a refusal"]
    return Result(figures=told, violations=violations, misses=misses)


def _plan(rng: random.Random, number: int) -> Plan:
    """Most write all the time: checkpoints, and events many times a second. The time of some runs out in the stop."""
    if number % 4 == 0:
        return Plan(graph="steps", does={"steps": 1, "delay": 10.0}, seconds=5, expects=("timeout",))
    does = {"steps": rng.randint(20, 23), "events": 21, "pause": 0.1, "delay": 0.2}
    return Plan(graph="steps", does=does, durability=rng.choice(["sync", "async"]))


async def _stop(rig: Rig, name: str, history: History) -> int:
    """Stops a worker beyond its lease, with writes under way that arrive when it has lost its runs; how many."""
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
    await asyncio.sleep(_EXECUTORS_FIRST_SECONDS)
    member.signal(signal.SIGCONT)
    touches = [name, member.postgres.name]
    kind = "stop worker beyond its lease"
    seconds += _EXECUTORS_FIRST_SECONDS
    history.note("fault", kind=kind, seconds=seconds, touches=touches, target=name, stopped=pids)
    return late


async def _taken_over(rig: Rig) -> int:
    connection = await asyncpg.connect(rig.postgres.uri)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM runs WHERE claim > 1"))
    finally:
        await connection.close()
