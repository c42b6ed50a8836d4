"""The campaign's graphs. Each node notes in the journal that it began, goes on and ended; most wait a few milliseconds.

The state tells what was applied: `inputs` has a token for each input, `done` one for each node that came to its end.
`at` and `run` are plain values, which a checkpoint holds readably: the last step that ended, and whose.
"""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.faults.journal import JOURNAL_VARIABLE, Journal

VERSION = os.environ.get("FAULTS_VERSION", "1")

_journal = Journal(Path(os.environ.get(JOURNAL_VARIABLE, os.devnull)))
_TICK_SECONDS = 0.1


class State(TypedDict, total=False):
    """`plan` is the latest input's: what its run is to do."""

    plan: dict[str, Any]
    inputs: Annotated[list[str], operator.add]
    done: Annotated[list[str], operator.add]
    at: int
    run: str


class Noted:
    """A node's execution, as the journal sees it."""

    def __init__(self, config: RunnableConfig, node: str) -> None:
        metadata = config["metadata"]
        self.run_id = str(metadata["run_id"])
        self._fields = {
            "run_id": self.run_id,
            "thread_id": str(config["configurable"]["thread_id"]),
            "attempt": int(metadata["run_attempt"]),
            "version": VERSION,
            "node": node,
        }

    def note(self, event: str) -> None:
        """One line."""
        _journal.note(**self._fields, event=event)  # type: ignore[arg-type]

    async def wait(self, seconds: float) -> None:
        """Waits, and notes that it still does."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _TICK_SECONDS))
            if left > _TICK_SECONDS:
                self.note("goes on")


@contextmanager
def noted(config: RunnableConfig, node: str) -> Iterator[Noted]:
    """Notes the beginning and the end."""
    execution = Noted(config, node)
    execution.note("begin")
    try:
        yield execution
    finally:
        execution.note("end")


async def _step(state: State, config: RunnableConfig) -> State:
    plan = state["plan"]
    number = state["at"] + 1 if state.get("run") == plan["token"] else 0
    with noted(config, f"step{number}") as execution:
        writer = get_stream_writer()
        for event in range(plan.get("events", 1)):
            writer({"step": number, "event": event, "pad": plan.get("pad", "")})
            if event % 20 == 19:
                await asyncio.sleep(plan.get("pause", 0.002))
        await execution.wait(plan.get("delay", 0.003))
    return {"done": [f"{plan['token']}/{number}"], "at": number, "run": plan["token"]}


def _after_step(state: State) -> str:
    return "step" if state["at"] + 1 < state["plan"]["steps"] else END


def _steps() -> StateGraph[State]:
    builder = StateGraph(State).add_node("step", _step).add_edge(START, "step")
    return builder.add_conditional_edges("step", _after_step)


async def _ask(state: State, config: RunnableConfig) -> State:
    with noted(config, "ask"):
        answer = interrupt({"question": state["plan"]["token"]})
    return {"done": [f"{answer}/ask"], "run": state["plan"]["token"], "at": 0}


async def _answered(state: State, config: RunnableConfig) -> State:
    with noted(config, "answered"):
        await asyncio.sleep(0.003)
    return {"done": [f"{state['plan']['token']}/answered"], "at": 1}


def _gate() -> StateGraph[State]:
    builder = StateGraph(State).add_node("ask", _ask).add_node("answered", _answered)
    return builder.add_edge(START, "ask").add_edge("ask", "answered").add_edge("answered", END)


async def _fail(state: State, config: RunnableConfig) -> State:
    with noted(config, "fail"):
        raise ValueError(f"{state['plan']['token']} fails, as planned")


def _failing() -> StateGraph[State]:
    builder = StateGraph(State).add_node("step", _step).add_node("fail", _fail)
    return builder.add_edge(START, "step").add_edge("step", "fail").add_edge("fail", END)


def _block(state: State, config: RunnableConfig) -> State:
    # A synchronous node, in a thread of its own: it can't be interrupted.
    plan = state["plan"]
    with noted(config, "block") as execution:
        end = time.monotonic() + plan.get("delay", 0.3)
        while time.monotonic() < end:
            time.sleep(_TICK_SECONDS / 2)
            execution.note("goes on")
    return {"done": [f"{plan['token']}/block"], "at": 0, "run": plan["token"]}


async def _hog(state: State, config: RunnableConfig) -> State:
    # It blocks the event loop, and with it everything else in its executor.
    plan = state["plan"]
    with noted(config, "hog") as execution:
        end = time.monotonic() + plan.get("hog", 0.1)
        while time.monotonic() < end:
            time.sleep(_TICK_SECONDS / 2)  # noqa: ASYNC251
            execution.note("goes on")
    return {"done": [f"{plan['token']}/hog"], "at": 1}


def _blocking() -> StateGraph[State]:
    builder = StateGraph(State).add_node("block", _block).add_node("hog", _hog)
    return builder.add_edge(START, "block").add_edge("block", "hog").add_edge("hog", END)


async def _refuse(state: State, config: RunnableConfig) -> State:
    plan = state["plan"]
    with noted(config, "refuse") as execution:
        end = time.monotonic() + plan["delay"]
        while time.monotonic() < end:
            try:
                await execution.wait(end - time.monotonic())
            except asyncio.CancelledError:
                execution.note("refuses")
    return {"done": [f"{plan['token']}/refuse"], "at": 0, "run": plan["token"]}


def _stubborn() -> StateGraph[State]:
    return StateGraph(State).add_node("refuse", _refuse).add_edge(START, "refuse").add_edge("refuse", END)


class Branch(TypedDict):
    """What one branch is to do."""

    number: int
    token: str
    delay: float


async def _branch(state: Branch, config: RunnableConfig) -> State:
    with noted(config, f"branch{state['number']}") as execution:
        await execution.wait(state["delay"])
    return {"done": [f"{state['token']}/branch{state['number']}"]}


async def _join(state: State, config: RunnableConfig) -> State:
    with noted(config, "join"):
        await asyncio.sleep(0)
    return {"done": [f"{state['plan']['token']}/join"], "at": 0, "run": state["plan"]["token"]}


def _fan_out(state: State) -> list[Send]:
    plan = state["plan"]
    delay = plan.get("delay", 0.01)
    return [
        Send("branch", {"number": number, "token": plan["token"], "delay": delay * (1 + number % 3)})
        for number in range(plan["steps"])
    ]


def _parallel() -> StateGraph[State]:
    builder = StateGraph(State).add_node("branch", _branch).add_node("join", _join)
    builder.add_conditional_edges(START, _fan_out, ["branch"])
    return builder.add_edge("branch", "join").add_edge("join", END)


async def _die(state: State, config: RunnableConfig) -> State:
    with noted(config, "die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {}


def _deadly() -> StateGraph[State]:
    return StateGraph(State).add_node("die", _die).add_edge(START, "die").add_edge("die", END)


steps = _steps()
gate = _gate()
failing = _failing()
blocking = _blocking()
stubborn = _stubborn()
parallel = _parallel()
deadly = _deadly()
