"""Ready-made agents: langgraph's ReAct agent, and langchain's with a person who approves what costs money."""

import operator
from typing import Annotated

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph.prebuilt import ToolNode, create_react_agent
from langgraph.prebuilt.chat_agent_executor import AgentState
from model import RuleModel
from tools import book_flight, note, temperature


class NotesState(AgentState):
    """The conversation, and the notes taken on the way."""

    notes: Annotated[list[str], operator.add]


graph = create_react_agent(
    RuleModel(),
    ToolNode([temperature, note], handle_tool_errors=True),
    state_schema=NotesState,
    prompt="You report the weather.",
)

guarded = create_agent(
    RuleModel(),
    [temperature, book_flight],
    system_prompt="You arrange trips.",
    middleware=[HumanInTheLoopMiddleware(interrupt_on={"book_flight": True})],
)
