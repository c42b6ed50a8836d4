"""Remembers people from one conversation to the next: their memories are in the store, not in the thread."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.config import get_store
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedStore, ToolNode, ToolRuntime, tools_condition
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

_FACT = re.compile(r"^I (?P<verb>like|live in|am) (?P<what>.+?)\.?$")


@dataclass
class Context:
    """Who is talking."""

    user_id: str = "nobody"


@tool
def remember(topic: str, fact: str, store: Annotated[BaseStore, InjectedStore()], runtime: ToolRuntime) -> str:
    """Keep a fact about the person."""
    store.put(("memories", runtime.context.user_id), topic, {"fact": fact})
    return f"remembered {topic}"


async def think(state: MessagesState, runtime: Runtime[Context]) -> dict[str, Any]:
    """Answers, or asks for a memory to be kept. Memories come from the store of the runtime."""
    last = state["messages"][-1]
    if last.type == "tool":
        return {"messages": [AIMessage("I'll keep that in mind.")]}
    if match := _FACT.match(str(last.content)):
        call = {"name": "remember", "args": {"topic": match["verb"], "fact": match[0]}, "id": f"call_{match['verb']}"}
        return {"messages": [AIMessage("", tool_calls=[call])]}
    found = await runtime.store.asearch(("memories", runtime.context.user_id), query=str(last.content))
    facts = sorted(item.value["fact"] for item in found)
    return {"messages": [AIMessage(f"You told me: {' '.join(facts)}" if facts else "We have not met.")]}


def count(state: MessagesState, runtime: Runtime[Context]) -> None:
    """Counts how often somebody has been here, with the store as synchronous code gets it."""
    store = get_store()
    before = store.get(("visits",), runtime.context.user_id)
    store.put(("visits",), runtime.context.user_id, {"count": (before.value["count"] if before else 0) + 1})


graph = (
    StateGraph(MessagesState, context_schema=Context)
    .add_node(count)
    .add_node(think)
    .add_node("tools", ToolNode([remember]))
    .add_edge(START, "count")
    .add_edge("count", "think")
    .add_conditional_edges("think", tools_condition)
    .add_edge("tools", "think")
    .compile()
)
