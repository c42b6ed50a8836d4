"""Small real graphs for the checkpoint tests, and what they write."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send, interrupt

MIGRATIONS = Path(__file__).parents[2] / "services/runwire/core/migrations"
AnyGraph = CompiledStateGraph[Any, Any, Any, Any]


@dataclass
class Verdict:
    """A state type of the graph's own."""

    word: str
    score: float


class ChatState(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    notes: Annotated[list[str], operator.add]
    verdict: Verdict
    long_text: str
    count: int


def _draft(state: ChatState) -> dict[str, Any]:
    return {
        "messages": [AIMessage("a draft", id="draft")],
        "count": state.get("count", 0) + 1,
        "long_text": "x" * 5000,
    }


def _fan_out(state: ChatState) -> list[Send]:
    return [Send("note", {"notes": [f"note {number}"]}) for number in range(3)]


def _note(state: ChatState) -> dict[str, Any]:
    return {"notes": state["notes"]}


def _approve(state: ChatState) -> dict[str, Any]:
    word = interrupt({"question": "publish?"})
    return {"verdict": Verdict(word, 0.5), "messages": [AIMessage(f"verdict: {word}", id="verdict")]}


def chat_graph(saver: BaseCheckpointSaver[str]) -> AnyGraph:
    """Drafts, fans out, and stops for an approval."""
    graph = StateGraph(ChatState)
    graph.add_node("draft", _draft)
    graph.add_node("note", _note)
    graph.add_node("approve", _approve)
    graph.add_edge(START, "draft")
    graph.add_conditional_edges("draft", _fan_out, ["note"])
    graph.add_edge("note", "approve")
    graph.add_edge("approve", END)
    return graph.compile(checkpointer=saver)


def question(text: str = "write it") -> dict[str, Any]:
    return {"messages": [HumanMessage(text, id="question")]}


def _extend(state: list[Any], writes: Sequence[list[Any]]) -> list[Any]:
    return [*state, *(item for write in writes for item in write)]


class DeltaState(TypedDict, total=False):
    log: Annotated[list[str], DeltaChannel(_extend, snapshot_frequency=4)]
    left: int


def delta_graph(saver: BaseCheckpointSaver[str]) -> AnyGraph:
    """Counts `left` down to zero and logs each number in a delta channel."""

    def step(state: DeltaState) -> dict[str, Any]:
        return {"log": [f"at {state['left']}"], "left": state["left"] - 1}

    graph = StateGraph(DeltaState)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    graph.add_conditional_edges("step", lambda state: "step" if state["left"] > 0 else END)
    return graph.compile(checkpointer=saver)


def new_thread(**more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": str(uuid4()), **more}}


async def put_one(saver: BaseCheckpointSaver[str], config: RunnableConfig, **values: Any) -> RunnableConfig:
    """Put a checkpoint of these channel values, each at a version of its own."""
    checkpoint = empty_checkpoint()
    versions = {channel: saver.get_next_version(None, None) for channel in values}
    checkpoint["channel_values"], checkpoint["channel_versions"] = values, dict(versions)
    return await saver.aput(
        {"configurable": {"checkpoint_ns": "", **config["configurable"]}},
        checkpoint,
        {"source": "loop", "step": 0, "parents": {}},
        dict(versions),
    )
