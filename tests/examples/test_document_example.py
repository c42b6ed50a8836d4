"""The document graph: reads every section once, waits for approval, reports."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from document import analysis, splitting
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.types import Command

Graph = Pregel[Any, Any, Any, Any]

DOCUMENT = (Path(__file__).resolve().parents[2] / "examples/chat/knowledge.md").read_text()
CONFIG: RunnableConfig = {"configurable": {"thread_id": "a thread"}}
APPROVED = {"approved": True, "note": "Well read."}
STEPS: list[Any] = [{"text": DOCUMENT}, Command(resume=APPROVED)]


async def pause(graph: Graph, text: str = DOCUMENT) -> dict[str, Any]:
    """Run to the approval and return the question."""
    result = await graph.ainvoke({"text": text}, CONFIG)
    question: dict[str, Any] = result["__interrupt__"][0].value
    return question


async def test_the_run_pauses_with_the_draft_of_the_whole_document(document: Graph) -> None:
    question = await pause(document)
    draft = question["draft"]
    assert draft["title"] == "Terms of durable agents"
    assert [entry["title"] for entry in draft["outline"]][1:4] == ["Graph", "Node", "Reducer"]
    assert draft["key_points"]
    assert all(point in " ".join(DOCUMENT.split()) for point in draft["key_points"])


async def test_an_approved_draft_becomes_a_report_with_its_key_points(document: Graph) -> None:
    draft = (await pause(document))["draft"]
    result = await document.ainvoke(Command(resume=APPROVED), CONFIG)
    assert result.keys() == {"report", "decision"}
    assert "approved" in result["report"]
    assert "Well read." in result["report"]
    assert all(f"{rank}. {point}" in result["report"] for rank, point in enumerate(draft["key_points"], 1))
    assert result["report"].rstrip().endswith("min to read.")


async def test_a_rejected_draft_leaves_a_report_that_says_so(document: Graph) -> None:
    draft = (await pause(document))["draft"]
    result = await document.ainvoke(Command(resume={"approved": False, "note": "Too long."}), CONFIG)
    assert "**Status:** rejected" in result["report"]
    assert "Too long." in result["report"]
    assert not any(point in result["report"] for point in draft["key_points"])


async def test_edits_replace_parts_of_the_draft(document: Graph) -> None:
    await pause(document)
    edits = {"title": "Another title", "key_points": ["The only point."], "outline": "not editable"}
    result = await document.ainvoke(Command(resume={"approved": True, "edits": edits}), CONFIG)
    assert "# Report: Another title" in result["report"]
    assert "1. The only point.\n\n" in result["report"]


@pytest.mark.parametrize(
    "answer",
    [
        "yes",
        {"note": "no decision"},
        {"approved": "true"},
        {"approved": True, "edits": {"key_points": "one"}},
    ],
)
async def test_an_answer_that_is_no_decision_is_asked_for_again(document: Graph, answer: object) -> None:
    await pause(document)
    again = await document.ainvoke(Command(resume=answer), CONFIG)
    assert "problem" in again["__interrupt__"][0].value
    result = await document.ainvoke(Command(resume=APPROVED), CONFIG)
    assert "**Status:** approved" in result["report"]


async def test_each_section_is_read_once_across_the_interrupt(document: Graph) -> None:
    progress: list[Any] = []
    for step in STEPS:
        async for _, event in document.astream(step, CONFIG, stream_mode="custom", subgraphs=True):
            progress.append(event)
    assert progress[0] == {"kind": "split", "sections": 17, "characters": len(DOCUMENT)}
    assert progress[-1]["kind"] == "draft"
    read = Counter(event["index"] for event in progress if event["kind"] == "section")
    assert read == Counter(range(17))


async def test_section_events_carry_the_namespace_of_their_subgraph(document: Graph) -> None:
    stream = document.astream({"text": DOCUMENT}, CONFIG, stream_mode="custom", subgraphs=True)
    events: list[Any] = [event async for event in stream]
    namespaces = {namespace for namespace, event in events if event["kind"] == "section"}
    assert len(namespaces) == 17
    assert all(len(path) == 1 and path[0].startswith("section:") for path in namespaces)


async def test_the_closing_paragraph_comes_after_a_tool_call_and_as_tokens(document: Graph) -> None:
    await pause(document)
    stream = document.astream(Command(resume=APPROVED), CONFIG, stream_mode="messages")
    messages = [message async for message, _ in stream]
    chunks = [message for message in messages if isinstance(message, AIMessageChunk)]
    calls = [piece["name"] for chunk in chunks for piece in chunk.tool_call_chunks if piece["name"]]
    told = [message for message in messages if isinstance(message, ToolMessage)]
    tokens = [chunk for chunk in chunks if chunk.content]
    assert calls == ["word_count"]
    assert [message.name for message in told] == ["word_count"]
    assert len(tokens) > 20
    report = (await document.aget_state(CONFIG)).values["report"]
    assert "".join(str(token.content) for token in tokens) in report


async def test_nodes_report_in_the_documented_order(document: Graph) -> None:
    nodes: list[str] = []
    for step in STEPS:
        async for update in document.astream(step, CONFIG, stream_mode="updates"):
            nodes.extend(update)
    after = ["approve", "write", "close", "tools", "close"]
    assert nodes == ["split", *["section"] * 17, "outline", "__interrupt__", *after]


async def test_a_second_document_on_the_thread_starts_afresh(document: Graph) -> None:
    await document.ainvoke({"text": DOCUMENT, "title": "The first"}, CONFIG)
    await document.ainvoke(Command(resume=APPROVED), CONFIG)
    question = await pause(document, "# Other\n\nA short text about something else entirely.\n")
    assert question["draft"]["title"] == "Other"
    state = (await document.aget_state(CONFIG)).values
    assert [one["title"] for one in state["analyses"]] == ["Other"]
    assert state["messages"] == []


async def test_its_schemas_can_be_published(document: Graph) -> None:
    assert set(document.get_input_jsonschema()["properties"]) == {"text", "title"}
    assert set(document.get_output_jsonschema()["properties"]) == {"report", "decision"}


async def test_an_empty_document_is_an_error(document: Graph) -> None:
    with pytest.raises(ValueError, match="the document is empty"):
        await document.ainvoke({"text": " \n"}, CONFIG)


async def test_a_document_of_several_hundred_kilobytes_is_read_whole(document: Graph) -> None:
    text = "\n".join(DOCUMENT.replace("# Terms", f"# Part {part}: terms") for part in range(120))
    question = await pause(document, text)
    state = (await document.aget_state(CONFIG)).values
    assert len(text) > 300_000
    assert "".join(text[section["start"] : section["end"]] for section in state["sections"]) == text
    assert len(question["draft"]["outline"]) == len(state["sections"]) <= 301


@pytest.mark.parametrize(
    "text",
    ["word " * 20_000, "x" * 50_000, "Some line.\n" * 5_000, "Some text.\n\n" * 5_000, "# A\n" * 5_000],
    ids=["one line", "one word", "lines", "paragraphs", "headings"],
)
def test_sections_are_bounded_and_cover_the_text(text: str) -> None:
    sections = splitting.split(text, "Title")
    assert "".join(text[section["start"] : section["end"]] for section in sections) == text
    assert all(section["end"] - section["start"] <= splitting.LONGEST for section in sections)
    assert len(sections) <= splitting.MOST + 1


def test_what_looks_like_a_heading_in_a_code_block_is_none() -> None:
    text = "# One\n\n```sh\n# a comment\n```\n\n## Two ##\r\n"
    assert [(heading.level, heading.title) for heading in splitting.headings(text)] == [
        (1, "One"),
        (2, "Two"),
    ]


def test_figures_find_numbers_dates_and_links() -> None:
    figures = analysis.figures(
        "On 2024-05-01 we sold 1,200 items, 45% more, in 20 ms. See [it](a.md) or https://b.c/d."
    )
    assert figures["numbers"] == ["1,200", "45%", "20 ms"]
    assert figures["dates"] == ["2024-05-01"]
    assert figures["links"] == ["a.md", "https://b.c/d"]


def test_findings_name_what_an_editor_should_look_at() -> None:
    found = analysis.findings(f"It was eaten by the the dog. TODO: more. {'Word ' * 50}.", "Here")
    assert {finding["kind"] for finding in found} == {"repeated word", "unfinished", "long sentence"}


def test_a_link_to_a_missing_heading_is_dead() -> None:
    assert analysis.dead_anchors("# Hello, World!\n\n[one](#hello-world) [two](#nowhere)") == {"#nowhere"}


def test_a_term_of_one_section_outweighs_one_of_all_sections() -> None:
    scores = analysis.keywords(analysis.terms("Zebras graze. Animals graze."), {"animals": 10, "graze": 10}, 10)
    assert list(scores) == ["zebras", "graze", "animals"]
