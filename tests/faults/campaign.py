"""A campaign from start to verdict: warm up, load and faults, a last stretch on the same processes, replays, judge.

What processes have in hand is measured at rest: after the warm-up, before and after the last stretch, and at the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.dispatch.webhook_receiver import Reply, receiving
from tests.faults import faults, figures, redis_keys, stories
from tests.faults.calls import Calls, calling
from tests.faults.checker import Violation, check
from tests.faults.evidence import Evidence, collect
from tests.faults.followers import Followers
from tests.faults.history import History
from tests.faults.load import Load, Running
from tests.faults.reading import Reading
from tests.faults.rig import SERVICES, WORKERS, Member, Rig, rigged

_DRAINED_SECONDS = 150.0
_REST_SECONDS = 120.0
_REPLAYS = 500
# The receiver of webhooks refuses some of them.
_REFUSED, _REPLIES = 0.2, 100_000
_OPEN_WORK = """
    SELECT 'run', status, count(*) FROM runs WHERE status IN ('pending', 'running') GROUP BY status
    UNION ALL SELECT 'state request', status, count(*) FROM state_requests WHERE status <> 'done' GROUP BY status
    UNION ALL SELECT 'webhook', state, count(*) FROM webhook_deliveries WHERE state = 'pending' GROUP BY state
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to do. `pace` is stories a second; a fault comes each `pause` seconds in the mean."""

    seed: int
    seconds: float
    pace: float = 5.0
    most: int = 100
    pause: float = 1.5
    followers: int = 50
    kinds: Sequence[str] = tuple(faults.KINDS)
    stories: Sequence[str] = tuple(stories.ALL)
    warm_up: float = 8.0
    members: Sequence[str] = (*WORKERS, *SERVICES)
    joins: int = 0
    """End when running runs have been joined this often, where that is sooner."""
    share: float = 0.8
    """Of followers who join a run that runs."""
    attention: int = 40
    """Events that a restless follower reads at most before it leaves."""
    steady_least: float = 30.0

    @property
    def command(self) -> str:
        """What repeats it from the command line: the same load, and the same faults in the same order."""
        given = ["--seed", str(self.seed), "--seconds", f"{self.seconds:g}", "--pace", f"{self.pace:g}"]
        given += ["--pause", f"{self.pause:g}", "--followers", str(self.followers)]
        given += ["--warm-up", f"{self.warm_up:g}", "--steady", f"{self.steady_least:g}"]
        if set(self.kinds) != set(faults.KINDS):
            given += ["--faults", *self.kinds]
        if set(self.stories) != set(stories.ALL):
            given += ["--stories", *self.stories]
        return shlex.join(["./buildout.sh", "faults", *given])

    @property
    def steady_seconds(self) -> float:
        """How long the last stretch is, in which no process is restarted."""
        return max(self.steady_least, min(300.0, self.seconds / 10))


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    options: Options
    folder: Path
    evidence: Evidence = field(default_factory=Evidence)
    violations: list[Violation] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    """The campaign's own: faults that could not be healed, calls that no answer came to."""
    faults: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)
    """Of the load: joins, events read and so on."""
    answers: Counter[str] = field(default_factory=Counter)
    """Codes and reasons of calls that failed."""
    seconds: float = 0.0
    """Of load and faults."""


async def run(options: Options, folder: Path) -> Outcome:
    """The whole campaign. What it wrote down stays in `folder`."""
    outcome = Outcome(options=options, folder=folder)
    async with rigged(folder, options.members) as rig:
        campaign = Campaign(rig, options, outcome)
        await campaign.run()
    return outcome


class Campaign:
    """One campaign on a rig."""

    def __init__(self, rig: Rig, options: Options, outcome: Outcome) -> None:
        self._rig = rig
        self._options = options
        self._outcome = outcome
        self._rng = random.Random(options.seed)
        self._history = History(rig.folder / "history.jsonl")
        self._running = Running()

    async def run(self) -> None:
        """To the verdict."""
        outcome, rig, options = self._outcome, self._rig, self._options
        addresses = {member.name: member.front.address for member in rig.members.values() if member.front is not None}
        watch, stopped = figures.Watch(), asyncio.Event()
        async with (
            calling(addresses, self._history, self._rng, rig.keys) as calls,
            receiving() as self._receiver,
            asyncio.TaskGroup() as group,
        ):
            self._receiver.replies = [
                Reply(self._rng.choices([200, 503], [1 - _REFUSED, _REFUSED])[0]) for _ in range(_REPLIES)
            ]
            looking = group.create_task(redis_keys.watch(rig.redis.uri, rig.redis_prefix, self._history, stopped))
            group.create_task(self._look(watch, stopped))
            await self._play(calls, options.warm_up, [])
            before = await self._measured()
            outcome.seconds = await self._play(calls, options.seconds, options.kinds)
            early = await self._measured()
            steady = [kind for kind in options.kinds if kind in faults.STEADY]
            outcome.seconds += await self._play(calls, options.steady_seconds, steady)
            late = await self._measured()
            await self._replay(calls)
            after = await self._measured()
            stopped.set()
            for request in self._receiver.received:
                told = json.loads(request.body)["data"]
                delivery_id, ended = request.headers["webhook-id"], "gone" if told["rolled_back"] else told["status"]
                self._history.note("notified", run=told["run_id"], delivery=delivery_id, status=ended)
        outcome.answers = calls.failures
        self._history.close()
        evidence = await collect(rig.postgres.uri, self._history.path, rig.journal, rig.folder / "logs")
        evidence.figures = {
            "before": figures.of_parts(before),
            "after": figures.of_parts(after),
            "steady": {"before": early, "after": late},
            "most": watch.most,
            "redis keys looked at": looking.result(),
        }
        evidence.weights = {name: stories.ALL[name][1] for name in options.stories}
        outcome.evidence = evidence
        outcome.violations = check(evidence)

    async def _play(self, calls: Calls, seconds: float, kinds: Sequence[str]) -> float:
        """Load, followers and faults for some time; then everything is healed, and what was begun is ended.

        The answer is how many seconds all of it took.
        """
        options, rng, begun = self._options, self._rng, time.monotonic()
        stop = asyncio.Event()
        load = Load(
            calls,
            random.Random(rng.getrandbits(64)),
            self._running,
            {name: stories.ALL[name] for name in options.stories},
            self._receiver.url(),
        )
        followers = Followers(
            calls,
            random.Random(rng.getrandbits(64)),
            self._running,
            share=options.share,
            attention=options.attention,
        )
        breaker = faults.Breaker(self._rig, self._history, random.Random(rng.getrandbits(64)), kinds)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.play(options.pace, options.most, stop))
            group.create_task(followers.follow(options.followers, stop))
            group.create_task(breaker.run(options.pause, stop))
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not options.joins or followers.joins_of_running < options.joins:
                        await asyncio.sleep(0.1)
            stop.set()
            self._rig.calm()
            late = await load.drained(_DRAINED_SECONDS)
        outcome = self._outcome
        outcome.mistakes += [*breaker.broken, *load.errors, *(f"the story {name} did not end" for name in late)]
        outcome.faults.update(breaker.count)
        outcome.figures.update(
            {
                "joins": followers.joins,
                "joins of running runs": followers.joins_of_running,
                "events read": followers.events,
                "stories": load.stories_played,
            }
        )
        return time.monotonic() - begun

    async def _measured(self) -> dict[str, figures.Figures]:
        """What processes have in hand at rest; nothing where one of them does not say."""
        await self._rest()
        try:
            return await figures.settled(self._rig)
        except figures.Unanswered as error:
            self._outcome.mistakes.append(str(error))
            return {}

    async def _rest(self) -> None:
        """Waits until no run waits or is running, no request for a thread's state is open, and no webhook is owed."""
        connection = await asyncpg.connect(self._rig.postgres.uri)
        open_work: list[asyncpg.Record] = []
        try:
            async with asyncio.timeout(_REST_SECONDS):
                while open_work := await connection.fetch(_OPEN_WORK):
                    await asyncio.sleep(0.3)
        except TimeoutError:
            self._outcome.mistakes.append(f"there is no rest: {[tuple(row) for row in open_work]}")
        finally:
            await connection.close()

    async def _replay(self, calls: Calls) -> None:
        """Fresh readers of runs that have ended, from their first event."""
        connection = await asyncpg.connect(self._rig.postgres.uri)
        try:
            rows = await connection.fetch("SELECT run_id::text FROM runs ORDER BY md5(run_id::text) LIMIT $1", _REPLAYS)
        finally:
            await connection.close()
        followers = Followers(calls, self._rng, self._running)
        stop, rng = asyncio.Event(), random.Random(self._options.seed)
        at_once = asyncio.Semaphore(8)

        async def replay(run_id: str) -> None:
            async with at_once:
                await followers.read(Reading(run_id), rng, stop, restless=False)

        await asyncio.gather(*(replay(row["run_id"]) for row in rows))

    async def _look(self, watch: figures.Watch, stopped: asyncio.Event) -> None:
        """Counts connections and memory, and starts again what has ended by itself."""
        rig = self._rig
        async with asyncio.TaskGroup() as group:
            while not stopped.is_set():
                watch.look(list(rig.members.values()))
                for member in rig.members.values():
                    if member.pid is None and not member.busy:
                        member.busy = True
                        self._history.note("died", name=member.name, words=member.process.last_lines(3))
                        group.create_task(self._bring_back(member))
                await asyncio.sleep(0.5)

    async def _bring_back(self, member: Member) -> None:
        try:
            await member.restart()
        except TimeoutError:
            self._outcome.mistakes.append(f"{member.name} did not come back")
        finally:
            member.busy = False
