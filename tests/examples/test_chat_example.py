"""The chat graph: answers through its tools, and streams."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat.model import RuleChatModel
from chat.tools import calculator
from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from scripted import choose_model

Graph = Pregel[Any, Any, Any, Any]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONFIG: RunnableConfig = {"configurable": {"thread_id": "a thread"}}


def ask(question: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}]}


async def answer(graph: Graph, question: str) -> tuple[list[str], str]:
    """Return the names of the tools that answered, and the last message."""
    messages = (await graph.ainvoke(ask(question), CONFIG))["messages"]
    return [str(message.name) for message in messages if isinstance(message, ToolMessage)], messages[-1].text


@pytest.mark.parametrize(
    ("question", "tools", "said"),
    [
        ("What is 17 * 23?", ["calculator"], "17 * 23 = 391."),
        ("(1 + 2) * 3 and sqrt(16), please", ["calculator"] * 2, "(1 + 2) * 3 = 9. sqrt(16) = 4."),
        ('How many words are in "to be or not to be"?', ["text_statistics"], "words 6"),
        ("What is a checkpoint?", ["lookup"], "Checkpoint: A checkpoint is the state of a thread"),
        ("What was a run on 2024-05-01?", ["lookup"], "Run: A run is one execution"),
        ("What is 1/0?", ["calculator"], "I could not do that: division by zero."),
        ("What are zebras?", ["lookup"], "the notes say nothing about that"),
        ("Hello", [], "I can calculate"),
    ],
)
async def test_a_question_is_answered_from_the_right_tool(
    chat: Graph, question: str, tools: list[str], said: str
) -> None:
    used, text = await answer(chat, question)
    assert used == tools
    assert said in text


async def test_a_later_question_on_the_thread_gets_its_own_answer(chat: Graph) -> None:
    await answer(chat, "What is 2 + 2?")
    _, text = await answer(chat, "What is 3 + 3?")
    assert text == "3 + 3 = 6."


async def test_the_tool_call_its_result_and_the_answer_are_streamed(chat: Graph) -> None:
    stream = chat.astream(ask("What is 17 * 23?"), CONFIG, stream_mode="messages")
    messages = [message async for message, _ in stream]
    chunks = [message for message in messages if isinstance(message, AIMessageChunk)]
    calls = [piece for chunk in chunks for piece in chunk.tool_call_chunks]
    assert calls[0]["name"] == "calculator"
    assert "".join(piece["args"] or "" for piece in calls) == '{"expression": "17 * 23"}'
    assert [message.content for message in messages if isinstance(message, ToolMessage)] == ["391"]
    assert [chunk.content for chunk in chunks if chunk.content] == ["17", " *", " 23", " =", " 391."]


async def test_nodes_report_in_the_documented_order(chat: Graph) -> None:
    stream = chat.astream(ask("What is 17 * 23?"), CONFIG, stream_mode="updates")
    assert [node async for update in stream for node in update] == ["model", "tools", "model"]


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "9**9**9",
        "(2).real",
        "[1]",
        "True + 1",
        "'a' * 9",
        "1 +",
        "sqrt(-1)",
        "1" * 300,
        "10.0**400",
    ],
)
def test_the_calculator_refuses_what_is_no_modest_arithmetic(expression: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the sentence differs from case to case
        calculator.invoke({"expression": expression})


@pytest.mark.parametrize(
    ("expression", "value"), [("-2**2", "-4"), ("7 // 2 + 7 % 2", "4"), ("2 * pi", "6.28318530718")]
)
def test_the_calculator_follows_the_rules_of_arithmetic(expression: str, value: str) -> None:
    assert calculator.invoke({"expression": expression}) == value


def test_a_model_named_without_its_package_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNWIRE_EXAMPLE_MODEL", "provider:model")
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(RuntimeError, match="needs the langchain package"):
        choose_model(RuleChatModel())


def test_the_examples_import_neither_langchain_nor_runwire() -> None:
    program = (
        "import sys, chat.agent, document.agent; "
        "sys.exit(any(name.split('.')[0] in ('langchain', 'runwire') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=EXAMPLES, check=False).returncode == 0
