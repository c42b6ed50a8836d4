"""The desk: asks the researcher in its own words, and hands the article to an editor who shares one key with it."""

import os
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

from .research import researcher


class DeskState(TypedDict, total=False):
    """From the subject to the article."""

    subject: str
    article: str
    sources_so_far: int


class EditorState(TypedDict, total=False):
    """The article is the desk's, the remarks are the editor's alone."""

    article: str
    remarks: list[str]


def research(state: DeskState) -> DeskState:
    """Another schema: what goes in and out is translated here."""
    result = researcher.invoke({"query": state["subject"], "found": []})
    return {"article": " ".join(result["found"]), "sources_so_far": len(result["looked_up"])}


def read(state: EditorState) -> EditorState:
    """Remarks on the article."""
    return {"remarks": [] if state["article"] else ["nothing to print"]}


def revise(state: EditorState) -> EditorState:
    """The article as it is printed."""
    text = state["article"] or "(" + ", ".join(state["remarks"]) + ")"
    return {"article": f"{os.environ['NEWSROOM_NAME']}: {text}"}


editor = (
    StateGraph(EditorState).add_node(read).add_node(revise).add_edge(START, "read").add_edge("read", "revise").compile()
)

graph = (
    StateGraph(DeskState)
    .add_node(research)
    .add_node("editor", editor)
    .add_edge(START, "research")
    .add_edge("research", "editor")
    .add_edge("editor", END)
    .compile()
)
