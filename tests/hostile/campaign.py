"""Thousands of hostile requests against real processes, and what became of each."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from tests.contract.rpcs import Rpc, all_rpcs
from tests.hostile.calls import Caller, Reply
from tests.hostile.requests import requests
from tests.hostile.verdict import faults
from tests.hostile.world import World

_ROUND, _MORE_ROUNDS = 250, 3
_UNDER_WAY = 12
_KEPT = 40
# Of each RPC and code: that they change nothing is looked at in these alone.
_REFUSED_KEPT = 6
_SECONDS = 60.0
_SETTINGS = settings(
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(slots=True)
class Figures:
    """Counts by RPC and status code, the slowest calls, faults with an example of each, and some refused requests."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    faults: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    refused: dict[tuple[str, str], deque[Reply]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_REFUSED_KEPT))
    )

    def note(self, reply: Reply) -> None:
        """Counts a reply, and keeps what is wrong with it."""
        rpc, code = reply.rpc.name, "enough" if reply.patience else reply.code.name
        self.counts[rpc, code] += 1
        self.slowest[rpc] = max(reply.seconds, self.slowest.get(rpc, 0.0))
        if reply.error is not None and not reply.patience:
            self.refused[rpc, code].append(reply)
        for fault in faults(reply):
            if len(self.faults) < _KEPT:
                self.faults.setdefault(f"{rpc} {fault}"[:160], (fault, reply.raw))

    def never_answered(self) -> list[Rpc]:
        """The RPCs whose requests were all refused: nothing behind their checks was tried."""
        return [rpc for rpc in all_rpcs() if not self.counts[rpc.name, "OK"] + self.counts[rpc.name, "enough"]]

    def table(self) -> str:
        """One line an RPC: how many calls, with which codes, and the longest."""
        codes = sorted({code for _, code in self.counts}, key=lambda code: (code != "OK", code))
        head = f"{'':28}{'calls':>8}" + "".join(f"{code.lower()[:12]:>13}" for code in codes) + f"{'longest':>10}"
        lines = [head]
        for rpc in [rpc.name for rpc in all_rpcs()]:
            of = [self.counts[rpc, code] for code in codes]
            tail = "".join(f"{count or '':>13}" for count in of)
            lines.append(f"{rpc:28}{sum(of):>8}{tail}{self.slowest.get(rpc, 0.0):>9.2f}s")
        sums = [sum(n for (_, found), n in self.counts.items() if found == code) for code in codes]
        lines.append(f"{'all':28}{sum(sums):>8}" + "".join(f"{count:>13}" for count in sums))
        return "\n".join(lines)


def run(caller: Caller, figures: Figures, count: int, first_seed: int) -> Iterator[int]:
    """Sends `count` requests in rounds, and says after each how many it were. Nothing is raised for a fault.

    Some more rounds, of plausible requests alone, go to RPCs that have refused everything by then.
    """
    world = World(caller)
    rounds = [min(_ROUND, count - begin) for begin in range(0, count, _ROUND)]
    for number, size in enumerate([*rounds, *[_ROUND] * _MORE_ROUNDS]):
        extra = number >= len(rounds)
        rpcs = figures.never_answered() if extra else all_rpcs()
        if not rpcs:
            return
        world.refresh()
        _round(caller, world, figures, requests(rpcs, world, plausible_only=extra), size, first_seed + number)
        yield figures.counts.total()


def _round(
    caller: Caller, world: World, figures: Figures, asked: SearchStrategy[tuple[Rpc, bytes]], count: int, seeded: int
) -> None:
    under_way: deque[Reply] = deque()
    # Learnt after the round: hypothesis takes it for a fault when the same choices make other requests.
    answered: list[tuple[Rpc, Message]] = []

    def judge_oldest() -> None:
        reply = under_way.popleft()
        if not reply.done.wait(_SECONDS):
            figures.faults.setdefault(f"{reply.rpc.name} did not end", ("did not end", reply.raw))
            return
        figures.note(reply)
        if reply.answer is not None:
            answered.append((reply.rpc, reply.answer))

    @seed(seeded)
    @settings(_SETTINGS, max_examples=count)
    @given(asked)
    def send(request: tuple[Rpc, bytes]) -> None:
        under_way.append(caller.begin(*request))
        if len(under_way) >= _UNDER_WAY:
            judge_oldest()

    send()
    while under_way:
        judge_oldest()
    for rpc, answer in answered:
        world.learn(rpc.request_class, answer)
