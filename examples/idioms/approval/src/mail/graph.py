"""A mail is drafted, shown to a person, and sent as the person left it, or not at all."""

from typing import Literal

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from mail.state import Decision, MailState


def draft(state: MailState) -> MailState:
    """The mail as the machine would send it."""
    to, _, body = state["request"].partition(": ")
    return {"action": {"to": to, "subject": body.split()[0].capitalize(), "body": body}}


def approve(state: MailState) -> Command[Literal["send", "give_up"]]:
    """Waits for a decision; asks again until there is a valid one."""
    problem = None
    while True:
        question = {"action": state["action"], "allowed": ["approve", "edit", "reject"]}
        decision: Decision = interrupt({**question, "problem": problem} if problem else question)
        match decision:
            case {"type": "approve"}:
                return Command(goto="send")
            case {"type": "edit", "args": dict(changed)} if changed.keys() <= state["action"].keys():
                return Command(goto="send", update={"action": {**state["action"], **changed}})
            case {"type": "reject"}:
                return Command(goto="give_up", update={"outcome": decision.get("reason", "rejected")})
        problem = "approve, edit with known fields, or reject"


def send(state: MailState) -> MailState:
    """Sends what was approved."""
    action = state["action"]
    return {"outcome": f"sent to {action['to']}: {action['subject']} / {action['body']}"}


def give_up(state: MailState) -> MailState:
    """Sends nothing."""
    return {"outcome": f"not sent: {state['outcome']}"}


def make_graph() -> StateGraph:
    """The graph, made anew for each run."""
    return (
        StateGraph(MailState)
        .add_node(draft)
        .add_node(approve)
        .add_node(send)
        .add_node(give_up)
        .add_edge(START, "draft")
        .add_edge("draft", "approve")
        .add_edge("send", END)
        .add_edge("give_up", END)
    )
