"""What runs are to do, as inputs of the campaign's graphs. Each input has a token of its own, by which it is found."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from google.protobuf.message import Message

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from tests.harness.platform import request

MARK = "campaign-input"
"""In each token: found anywhere in Redis, it says that Redis holds what it must not."""

STRATEGIES = {
    "enqueue": run_pb2.MULTITASK_STRATEGY_ENQUEUE,
    "reject": run_pb2.MULTITASK_STRATEGY_REJECT,
    "interrupt": run_pb2.MULTITASK_STRATEGY_INTERRUPT,
    "rollback": run_pb2.MULTITASK_STRATEGY_ROLLBACK,
}

DURABILITIES = {
    "async": run_pb2.DURABILITY_ASYNC,
    "sync": run_pb2.DURABILITY_SYNC,
    "exit": run_pb2.DURABILITY_EXIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run: its graph, and what the graph finds in `plan`. `expects` are the statuses it may end in, undisturbed."""

    graph: str
    does: dict[str, Any] = field(default_factory=dict)
    expects: tuple[str, ...] = ("success",)
    durability: str = "async"
    modes: tuple[str, ...] = ("custom", "updates")
    seconds: float | None = None
    event_log: bool = True

    def request(
        self, run_id: str, token: str, thread_id: str, strategy: str = "enqueue", command: Message | None = None
    ) -> runs_pb2.CreateRunRequest:
        """The call that creates it."""
        fields: dict[str, Any] = {"command": command} if command is not None else {}
        value = None if command is not None else {"plan": {**self.does, "token": token}, "inputs": [token]}
        return request(
            self.graph,
            value,
            thread=thread_id,
            modes=self.modes,
            seconds=self.seconds,
            run_id=run_id,
            multitask_strategy=STRATEGIES[strategy],
            durability=DURABILITIES[self.durability],
            event_log=runs_pb2.EVENT_LOG_ON if self.event_log else runs_pb2.EVENT_LOG_OFF,
            **fields,
        )

    def leaves(self, token: str) -> list[str]:
        """What a run that succeeds adds to `done`, in order but for branches. The answer to a pause adds more."""
        match self.graph:
            case "steps":
                names = [str(number) for number in range(self.does["steps"])]
            case "parallel":
                names = [*(f"branch{number}" for number in range(self.does["steps"])), "join"]
            case "blocking":
                names = ["block", "hog"]
            case "stubborn":
                names = ["refuse"]
            case _:
                names = []
        return [f"{token}/{name}" for name in names]


def new_id() -> str:
    """Of a run or a thread."""
    return str(uuid4())


def new_token(rng: random.Random) -> str:
    """Names an input."""
    return f"{MARK}-{rng.getrandbits(64):016x}"


def short(rng: random.Random) -> Plan:
    """A few quick steps."""
    return Plan(graph="steps", does={"steps": rng.randint(1, 4), "events": rng.randint(1, 8)}, durability=_durable(rng))


def many_steps(rng: random.Random) -> Plan:
    """Many quick steps."""
    return Plan(
        graph="steps",
        does={"steps": rng.randint(15, 23), "events": rng.randint(1, 3), "delay": rng.uniform(0.002, 0.02)},
        durability=_durable(rng),
    )


def long(rng: random.Random) -> Plan:
    """Some seconds of steps that take their time."""
    return Plan(
        graph="steps",
        does={"steps": rng.randint(6, 12), "events": 5, "delay": rng.uniform(0.2, 0.6)},
        durability=_durable(rng),
    )


def chatty(rng: random.Random) -> Plan:
    """Many events, some of them large."""
    does = {
        "steps": rng.randint(1, 3),
        "events": rng.randint(100, 300),
        "pause": rng.uniform(0.005, 0.06),
        "pad": "x" * rng.choice([0, 0, 100, 2000]),
    }
    return Plan(graph="steps", does=does, modes=("custom",), event_log=rng.random() < 0.95)


def failing(rng: random.Random) -> Plan:
    """An exception of the user's."""
    return Plan(graph="failing", does={"steps": 1, "events": rng.randint(1, 5)}, expects=("error",))


def blocking(rng: random.Random) -> Plan:
    """Code that blocks: a thread, and then the event loop."""
    return Plan(graph="blocking", does={"delay": rng.uniform(0.1, 0.8), "hog": rng.uniform(0.05, 0.2)})


def stubborn(_: random.Random) -> Plan:
    """Code that refuses to be cancelled, for longer than it is given."""
    return Plan(graph="stubborn", does={"delay": 6.0}, modes=("custom",))


def parallel(rng: random.Random) -> Plan:
    """Branches side by side."""
    return Plan(
        graph="parallel",
        does={"steps": rng.randint(2, 6), "delay": rng.uniform(0.005, 0.1)},
        durability=_durable(rng, exit_too=False),
    )


def gate(_: random.Random) -> Plan:
    """A pause, until somebody answers."""
    return Plan(graph="gate", expects=("interrupted",), modes=("updates", "values"))


def answered() -> Plan:
    """What follows the answer to a gate's question."""
    return Plan(graph="gate", modes=("updates", "values"))


def too_long(_: random.Random) -> Plan:
    """More time than it has."""
    return Plan(graph="steps", does={"steps": 20, "delay": 0.4}, expects=("timeout",), seconds=1.5)


def deadly(_: random.Random) -> Plan:
    """Code that kills its process, every time."""
    return Plan(graph="deadly", expects=("error",), modes=("custom",))


def _durable(rng: random.Random, *, exit_too: bool = True) -> str:
    return rng.choices(["async", "sync", "exit"], [6, 3, 1 if exit_too else 0])[0]
