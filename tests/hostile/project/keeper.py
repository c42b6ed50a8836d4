"""A graph that works with secrets, as graphs do, and fails when it is told to."""

from __future__ import annotations

import os
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from pydantic import BaseModel
from typing_extensions import TypedDict


class Settings(BaseModel):
    """What a caller may give, with a default from the environment."""

    service_api_key: str = os.environ["CANARY_API_KEY"]
    region: str = "north"


class State(TypedDict, total=False):
    """A text, and whether to fail."""

    text: str
    password: str
    fail: bool


async def _work(state: State, config: RunnableConfig) -> dict[str, Any]:
    assert os.environ["CANARY_API_KEY"]
    if state.get("fail"):
        raise RuntimeError("the service refused")
    return {"text": f"done in {config.get('configurable', {}).get('region', 'the dark')}"}


keeper = StateGraph(State, context_schema=Settings).add_node("work", _work).add_edge(START, "work").compile()
