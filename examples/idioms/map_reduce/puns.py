"""One branch a subject with Send, then one node that reads what all of them wrote."""

import asyncio
import operator
from typing import Annotated

from langgraph.constants import END, START
from langgraph.graph import StateGraph
from langgraph.types import Send
from pydantic import BaseModel
from typing_extensions import TypedDict


class Pun(BaseModel):
    """What a branch writes."""

    subject: str
    text: str


class OverallState(TypedDict, total=False):
    """All subjects, all puns, and the best of them."""

    subjects: list[str]
    puns: Annotated[list[Pun], operator.add]
    best: str


class BranchState(TypedDict):
    """What a branch gets."""

    subject: str
    number: int


def list_subjects(state: OverallState) -> OverallState:
    """Each subject once, in the order of the input."""
    return {"subjects": list(dict.fromkeys(state["subjects"]))}


def branch(state: OverallState) -> list[Send]:
    """A branch for each subject."""
    return [Send("write_pun", {"subject": each, "number": n}) for n, each in enumerate(state["subjects"])]


async def write_pun(state: BranchState) -> dict:
    """The first branches are the slowest, so they end in another order than they began."""
    await asyncio.sleep(0.05 / (1 + state["number"]))
    return {"puns": [Pun(subject=state["subject"], text=f"No {state['subject']}, no fun.")]}


def choose(state: OverallState) -> OverallState:
    """The longest is the best."""
    return {"best": max((pun.text for pun in state["puns"]), key=len)}


builder = StateGraph(OverallState)
builder.add_node(list_subjects)
builder.add_node(write_pun)
builder.add_node(choose)
builder.add_edge(START, "list_subjects")
builder.add_conditional_edges("list_subjects", branch, ["write_pun"])
builder.add_edge("write_pun", "choose")
builder.add_edge("choose", END)
