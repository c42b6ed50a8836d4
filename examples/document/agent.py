"""The document graph: split, read all sections at once, draft, wait for approval, report."""

from collections import Counter
from typing import Annotated

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import InjectedState, ToolNode, tools_condition
from langgraph.types import Overwrite, Send, interrupt
from pydantic import TypeAdapter, ValidationError

from document import analysis, drafting, splitting
from document.model import ClosingModel
from document.section import section_graph
from document.state import Decision, DocumentInput, DocumentOutput, DocumentState, SectionInput
from scripted import choose_model

PROMPT = SystemMessage(
    "You close a report on a document. Call word_count once, then write one plain paragraph from the facts "
    "given and the count; add no facts of your own."
)

DECISION = TypeAdapter(Decision)
ANSWER = 'Please answer with {"approved": true or false, "note": text or null, "edits": object or null}.'


@tool
def word_count(report: Annotated[str, InjectedState("report")], words_per_minute: int = 220) -> str:
    """Count the words of the report and say how long it takes to read."""
    words = len(analysis.WORD.findall(report))
    return f"{words} words, about {max(1, round(words / words_per_minute))} min to read"


model = choose_model(ClosingModel()).bind_tools([word_count])


def split(state: DocumentInput) -> dict[str, object]:
    """Cut the text, and forget what an earlier document on the same thread has left."""
    text = state["text"]
    if not text.strip():
        raise ValueError("the document is empty")
    title = state.get("title") or next((heading.title for heading in splitting.headings(text)), "Untitled")
    sections = splitting.split(text, title)
    get_stream_writer()({"kind": "split", "sections": len(sections), "characters": len(text)})
    return {"name": title, "sections": sections, "analyses": Overwrite([]), "messages": Overwrite([])}


def fan_out(state: DocumentState) -> list[Send]:
    """Send each section to the subgraph, with as much of the whole document's statistics as it needs."""
    texts = [state["text"][section["start"] : section["end"]] for section in state["sections"]]
    terms = [analysis.terms(text).keys() for text in texts]
    spread = Counter(term for section_terms in terms for term in section_terms)
    return [
        Send(
            "section",
            SectionInput(
                section=section,
                text=text,
                total=len(texts),
                spread={term: spread[term] for term in section_terms if spread[term] > 1},
            ),
        )
        for section, text, section_terms in zip(state["sections"], texts, terms, strict=True)
    ]


async def outline(state: DocumentState) -> dict[str, object]:
    draft = drafting.draft(state["name"], state["text"], state["analyses"])
    counts = {"key_points": len(draft["key_points"]), "findings": len(draft["findings"])}
    get_stream_writer()({"kind": "draft", **counts})
    return {"draft": draft}


def approve(state: DocumentState) -> dict[str, object]:
    """Show the draft and wait; an answer that is no decision is asked for again."""
    question = {"question": "Approve this draft?", "draft": state["draft"]}
    decision = _read(interrupt(question))
    while decision is None:
        decision = _read(interrupt({**question, "problem": ANSWER}))
    return {"decision": decision}


def write(state: DocumentState) -> dict[str, object]:
    draft = drafting.apply_edits(state["draft"], state["decision"])
    return {"draft": draft, "report": drafting.report(draft, state["decision"])}


async def close(state: DocumentState) -> dict[str, object]:
    """Let the model count the report, then add its paragraph."""
    facts = HumanMessage(drafting.facts(state["draft"], state["decision"]))
    reply = await model.ainvoke([PROMPT, facts, *state["messages"]])
    if reply.tool_calls:
        return {"messages": [reply]}
    return {"messages": [reply], "report": f"{state['report']}\n{reply.text}\n"}


def _read(answer: object) -> Decision | None:
    try:
        return DECISION.validate_python(answer, strict=True)
    except ValidationError:
        return None


builder = StateGraph(DocumentState, input_schema=DocumentInput, output_schema=DocumentOutput)
builder.add_node(split)
builder.add_node("section", section_graph)
builder.add_node(outline)
builder.add_node(approve)
builder.add_node(write)
builder.add_node(close)
builder.add_node("tools", ToolNode([word_count]))
builder.add_edge(START, "split")
builder.add_conditional_edges("split", fan_out, ["section"])
builder.add_edge("section", "outline")
builder.add_edge("outline", "approve")
builder.add_edge("approve", "write")
builder.add_edge("write", "close")
builder.add_conditional_edges("close", tools_condition, ["tools", END])
builder.add_edge("tools", "close")

graph = builder.compile(name="document")
