"""The subgraph that reads one section: three looks at the text in parallel, then one analysis."""

from collections import Counter

from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from document import analysis
from document.state import Analysis, SectionInput, SectionOutput, SectionState


def measure(state: SectionState) -> dict[str, object]:
    return {"figures": analysis.figures(state["text"])}


def rank(state: SectionState) -> dict[str, object]:
    counts: Counter[str] = analysis.terms(state["text"])
    keywords = analysis.keywords(counts, state["spread"], state["total"])
    return {"keywords": keywords, "key_sentences": analysis.key_sentences(state["text"], keywords)}


async def check(state: SectionState) -> dict[str, object]:
    return {"findings": analysis.findings(state["text"], state["section"]["title"])}


async def conclude(state: SectionState) -> SectionOutput:
    section = state["section"]
    get_stream_writer()(
        {
            "kind": "section",
            "index": section["index"],
            "total": state["total"],
            "title": section["title"],
            "words": state["figures"]["words"],
            "keywords": list(state["keywords"])[:3],
            "findings": len(state["findings"]),
        }
    )
    done = Analysis(
        index=section["index"],
        title=section["title"],
        level=section["level"],
        figures=state["figures"],
        keywords=state["keywords"],
        sentences=state["key_sentences"],
        findings=state["findings"],
    )
    return {"analyses": [done]}


builder = StateGraph(SectionState, input_schema=SectionInput, output_schema=SectionOutput)
builder.add_node(measure)
builder.add_node(rank)
builder.add_node(check)
builder.add_node(conclude)
for look in ("measure", "rank", "check"):
    builder.add_edge(START, look)
builder.add_edge(["measure", "rank", "check"], "conclude")
builder.add_edge("conclude", END)

section_graph = builder.compile(name="section")
