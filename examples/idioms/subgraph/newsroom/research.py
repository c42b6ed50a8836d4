"""The researcher: a graph of its own, with a state that the desk never sees."""

import operator
from typing import Annotated, TypedDict

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

_ARCHIVE = {
    "tides": ["The moon pulls the sea.", "Spring tides come twice a month."],
    "bees": ["A hive has one queen."],
}


class ResearchState(TypedDict):
    """One query, and all that was ever looked up."""

    query: str
    found: list[str]
    looked_up: Annotated[list[str], operator.add]


def look_up(state: ResearchState) -> dict:
    """Reads the archive."""
    found = _ARCHIVE.get(state["query"], [])
    get_stream_writer()({"query": state["query"], "found": len(found)})
    return {"found": found, "looked_up": [state["query"]]}


def rank(state: ResearchState) -> dict:
    """The shortest first."""
    return {"found": sorted(state["found"], key=len)}


# With a memory of its own, which lasts from one run of a thread to the next.
researcher = (
    StateGraph(ResearchState)
    .add_node(look_up)
    .add_node(rank)
    .add_edge(START, "look_up")
    .add_edge("look_up", "rank")
    .add_edge("rank", END)
    .compile(checkpointer=True)
)
