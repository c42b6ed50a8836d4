"""The chat graph: the model answers, or calls tools and answers from their results."""

from langchain_core.messages import SystemMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from chat.model import RuleChatModel
from chat.tools import TOOLS
from scripted import choose_model

PROMPT = SystemMessage(
    "You are a precise assistant. Use the calculator for any arithmetic, text_statistics to count things in "
    "a text, and lookup for questions about the terms of durable agents. Answer briefly, from their results."
)

model = choose_model(RuleChatModel()).bind_tools(TOOLS)


async def call_model(state: MessagesState) -> MessagesState:
    return {"messages": [await model.ainvoke([PROMPT, *state["messages"]])]}


def explain(error: ValueError) -> str:
    """Hand a tool's complaint to the model; any other exception is a bug and fails the run."""
    return f"Error: {error}"


builder = StateGraph(MessagesState)
builder.add_node("model", call_model)
builder.add_node("tools", ToolNode(TOOLS, handle_tool_errors=explain))
builder.add_edge(START, "model")
builder.add_conditional_edges("model", tools_condition)
builder.add_edge("tools", "model")

graph = builder.compile(name="chat")
