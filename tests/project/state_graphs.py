"""A graph whose own code takes part in an update of its state."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated

from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


class ChoiceState(TypedDict, total=False):
    """What was logged; a file whose presence the choice waits for; what it objects to."""

    log: Annotated[list[str], operator.add]
    gate: str
    objection: str


class ObjectionError(Exception):
    """What the choice raises."""


async def _first(state: ChoiceState) -> ChoiceState:
    return {"log": ["first"]}


async def _second(state: ChoiceState) -> ChoiceState:
    return {"log": ["second"]}


def _note(gate: str) -> None:
    with Path(f"{gate}.reached").open("a", encoding="utf-8") as file:
        file.write("reached\n")


async def _choose(state: ChoiceState) -> str:
    if gate := state.get("gate"):
        _note(gate)
        while not Path(gate).exists():
            await asyncio.sleep(0.02)
    if objection := state.get("objection"):
        raise ObjectionError(objection)
    return "second"


choice = (
    StateGraph(ChoiceState)
    .add_node("first", _first)
    .add_node("second", _second)
    .add_edge(START, "first")
    .add_conditional_edges("first", _choose, ["second"])
    .add_edge("second", END)
    .compile()
)
