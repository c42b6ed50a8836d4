"""More graphs for the system tests: factories, interrupts, ways to fail, and state that JSON has no form for."""

from __future__ import annotations

import asyncio
import math
import operator
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict


def _note(state: Any, line: str) -> None:
    if journal := state.get("journal"):
        with Path(journal).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


class TextState(TypedDict, total=False):
    """One text."""

    text: str


def _suffixing(suffix: str) -> StateGraph[Any, Any, Any, Any]:
    def say(state: TextState) -> TextState:
        return {"text": state["text"] + suffix}

    return StateGraph(TextState).add_node("say", say).add_edge(START, "say").add_edge("say", END)


def factory_without_config() -> Any:
    """A factory that takes nothing and does not compile."""
    return _suffixing(" from a factory")


async def async_factory(config: RunnableConfig) -> Any:
    """A factory that awaits."""
    await asyncio.sleep(0)
    return _suffixing(config.get("configurable", {}).get("suffix", " from a coroutine")).compile()


@contextmanager
def managed_factory(config: RunnableConfig) -> Iterator[Any]:
    """A factory that cleans up."""
    yield _suffixing(" from a context manager").compile()


class GatesState(TypedDict, total=False):
    """Answers of two gates that are open at once."""

    answers: Annotated[list[str], operator.add]


def _gate(name: str) -> Any:
    def ask(state: GatesState) -> GatesState:
        return {"answers": [f"{name}: {interrupt({'gate': name})}"]}

    return ask


gates = (
    StateGraph(GatesState)
    .add_node("left", _gate("left"))
    .add_node("right", _gate("right"))
    .add_edge(START, "left")
    .add_edge(START, "right")
    .add_edge("left", END)
    .add_edge("right", END)
    .compile()
)


class ReviewState(TypedDict, total=False):
    """A review: what was asked, how long to think about the answer, and what came of it."""

    answer: str
    delay: float
    journal: str
    log: Annotated[list[str], operator.add]


async def _prepare(state: ReviewState) -> ReviewState:
    return {"log": ["prepared"]}


async def _review(state: ReviewState) -> ReviewState:
    answer = interrupt("approve?")
    _note(state, f"answered {answer}")
    if answer == "slow":
        await asyncio.sleep(60)
    return {"answer": str(answer), "log": ["reviewed"]}


async def _beside(state: ReviewState) -> ReviewState:
    return {"log": ["beside"]}


# The answer "slow" makes the node that got it hang.
review = (
    StateGraph(ReviewState)
    .add_node("prepare", _prepare)
    .add_node("review", _review)
    .add_node("beside", _beside)
    .add_edge(START, "prepare")
    .add_edge("prepare", "review")
    .add_edge("prepare", "beside")
    .add_edge("review", END)
    .compile()
)


def _inner_ask(state: TextState) -> TextState:
    return {"text": f"{state.get('text', '')} {interrupt('inside', response_schema={'type': 'string'})}"}


_asking = StateGraph(TextState).add_node("ask", _inner_ask).add_edge(START, "ask").compile()
nested_gate = StateGraph(TextState).add_node("inner", _asking).add_edge(START, "inner").compile()


class RouteState(TypedDict, total=False):
    """Where the graph has been."""

    visited: Annotated[list[str], operator.add]


def _visit(name: str) -> Any:
    def node(state: RouteState) -> RouteState:
        return {"visited": [name]}

    return node


route = (
    StateGraph(RouteState)
    .add_node("first", _visit("first"))
    .add_node("second", _visit("second"))
    .add_node("aside", _visit("aside"))
    .add_edge(START, "first")
    .add_edge("first", "second")
    .add_edge("second", END)
    .add_edge("aside", END)
    .compile()
)


class FailState(TypedDict, total=False):
    """How to fail."""

    how: str
    count: Annotated[int, operator.add]


class TidyError(Exception):
    """An error with a type of its own."""


_FAILURES: dict[str, BaseException] = {
    "timeout": TimeoutError("took too long"),
    "cancelled": asyncio.CancelledError(),
    "os": ConnectionError("no such host"),
    "odd": TidyError("caf\u00e9 \ud800 \0 end"),
    "long": TidyError("x" * 100_000),
}


async def _fail_somehow(state: FailState) -> FailState:
    raise _FAILURES[state["how"]]


fails = (
    StateGraph(FailState)
    .add_node("count", lambda s: {"count": 1})
    .add_node("fail", _fail_somehow)
    .add_edge(START, "count")
    .add_edge("count", "fail")
    .compile()
)

endless = (
    StateGraph(FailState)
    .add_node("count", lambda s: {"count": 1})
    .add_edge(START, "count")
    .add_conditional_edges("count", lambda s: "count")
    .compile()
)


@dataclass
class Settings:
    """The context of `surroundings`."""

    language: str = "none"
    limits: dict[str, int] = field(default_factory=dict)


class SurroundingsState(TypedDict, total=False):
    """What a node sees around it."""

    seen: dict[str, Any]


async def _look_around(
    state: SurroundingsState, config: RunnableConfig, runtime: Runtime[Settings]
) -> SurroundingsState:
    configurable = {k: v for k, v in config.get("configurable", {}).items() if not k.startswith("__")}
    context = runtime.context
    return {
        "seen": {
            "configurable": {key: configurable.get(key) for key in ("colour", "thread_id", "run_id", "graph_id")},
            "context": context and {"language": context.language, "limits": context.limits},
            "tags": list(config.get("tags") or []),
            "metadata": {key: (config.get("metadata") or {}).get(key) for key in ("run_id", "purpose")},
        }
    }


surroundings = (
    StateGraph(SurroundingsState, context_schema=Settings)
    .add_node("look", _look_around)  # type: ignore[arg-type]
    .add_edge(START, "look")
    .compile()
)


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: int


class Person(BaseModel):
    """A pydantic model."""

    name: str
    born: datetime


class OddState(TypedDict, total=False):
    """Values that JSON has no form for."""

    kind: str
    value: Any
    next: int


_ODD: dict[str, Any] = {
    "datetime": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    "set": {1},
    "dataclass": Point(1, 2),
    "pydantic": Person(name="Ada", born=datetime(1815, 12, 10, tzinfo=UTC)),
    "bytes": b"\x00\xff plain",
    "nan": math.nan,
    "huge": 2**200,
    "huge_and_nan": {"huge": 2**200, "nan": math.nan, "rest": "kept"},
    "enormous": 10**5000,
    "nul": "a\0b",
    "surrogate": "a\ud800b",
    "keys": {1: "one", (2, 3): "pair"},
    "deep": None,
    "infinity": math.inf,
}


def _deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


_ODD["deep"] = _deep(400)


def _make_odd(state: OddState) -> OddState:
    return {"value": _ODD[state["kind"]]}


# Two nodes, so that the value goes through a checkpoint.
odd = (
    StateGraph(OddState)
    .add_node("make", _make_odd)
    .add_node("pass", lambda s: {"next": 1})
    .add_edge(START, "make")
    .add_edge("make", "pass")
    .compile()
)


class BigState(TypedDict, total=False):
    """Many bytes."""

    bytes: int
    blob: str
    custom: int


def _make_big(state: BigState) -> BigState:
    if size := state.get("custom"):
        get_stream_writer()({"blob": "y" * size})
    return {"blob": "x" * state.get("bytes", 0)}


big = StateGraph(BigState).add_node("make", _make_big).add_edge(START, "make").compile()


class CountState(TypedDict, total=False):
    """Runs of one thread, in their order."""

    number: int
    began: Annotated[list[int], operator.add]
    overlap: Annotated[int, operator.add]


_in_it: set[str] = set()


async def _count_me(state: CountState, config: RunnableConfig) -> CountState:
    thread = config["configurable"]["thread_id"]
    overlap = int(thread in _in_it)
    _in_it.add(thread)
    await asyncio.sleep(0.002)
    _in_it.discard(thread)
    return {"began": [state["number"]], "overlap": overlap}


queue = StateGraph(CountState).add_node("count", _count_me).add_edge(START, "count").compile()


class SlowState(TypedDict, total=False):
    """A node that is slow after a step that is not."""

    delay: float
    log: Annotated[list[str], operator.add]


async def _quick(state: SlowState) -> SlowState:
    return {"log": ["quick"]}


async def _slow(state: SlowState) -> SlowState:
    await asyncio.sleep(state.get("delay", 60))
    return {"log": ["slow"]}


slow = (
    StateGraph(SlowState)
    .add_node("quick", _quick)
    .add_node("slow", _slow)
    .add_edge(START, "quick")
    .add_edge("quick", "slow")
    .compile()
)


class SpinState(TypedDict, total=False):
    """How long to hold the interpreter's attention."""

    seconds: float
    journal: str


def _die(state: SpinState) -> SpinState:
    _note(state, "died")
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    return {}


# Kills its own process.
deadly = StateGraph(SpinState).add_node("die", _die).add_edge(START, "die").compile()


def _jump(state: RouteState) -> Command[str]:
    return Command(update={"visited": ["jump"]}, goto="aside")


jump = (
    StateGraph(RouteState)
    .add_node("jump", _jump, destinations=("aside",))
    .add_node("aside", _visit("aside"))
    .add_edge(START, "jump")
    .compile()
)


class HesitantState(TypedDict, total=False):
    """How long the way on is thought about."""

    visited: Annotated[list[str], operator.add]
    journal: str
    delay: float


async def _hesitate(state: HesitantState) -> str:
    _note(state, "hesitates")
    await asyncio.sleep(state.get("delay", 0))
    return "there"


# Its node has put out its part when the way on is still being thought about.
hesitant = (
    StateGraph(HesitantState)
    .add_node("here", _visit("here"))
    .add_node("there", _visit("there"))
    .add_edge(START, "here")
    .add_conditional_edges("here", _hesitate, ["there"])
    .compile()
)
