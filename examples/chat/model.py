"""The chat agent's offline model: simple rules choose a tool, and its result makes the answer."""

import ast
import json
import re
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from scripted import ScriptedChatModel, call_tools

NAME = r"\b(?:sqrt|abs|round|pi)\b"
EXPRESSION = re.compile(rf"(?:{NAME}|[\d(.+-])(?:{NAME}|[\d\s().+*/%-])*")
COUNTING = re.compile(r"\b(how many|how long|count|statistics)\b", re.IGNORECASE)
QUOTED = re.compile(r"[\"“](.+)[\"”]|:\s*(.+)", re.DOTALL)
ASKING = re.compile(r"\?\s*$|^\s*(what|who|why|when|how|which|explain|tell|describe|define)\b", re.IGNORECASE)

HELP = (
    "I am the offline model of this example and follow a few simple rules. I can calculate "
    '(what is 17 * 23?), count things in a text (how many words are in "to be or not to be"?), '
    "and look up terms of durable agents (what is a checkpoint?)."
)

Call = tuple[str, dict[str, Any]]


class RuleChatModel(ScriptedChatModel):
    """Looks at the last message only: a question becomes tool calls, tool results become the answer."""

    def reply(self, messages: list[BaseMessage], tools: frozenset[str]) -> AIMessage:
        if results := _latest_results(messages):
            sentences = (_sentence(result, _arguments(messages, result)) for result in results)
            return AIMessage(content=" ".join(sentences))
        question = messages[-1].text if isinstance(messages[-1], HumanMessage) else ""
        calls = [call for call in _choose(question) if call[0] in tools]
        return call_tools(*calls) if calls else AIMessage(content=HELP)


def _choose(question: str) -> list[Call]:
    quoted = QUOTED.search(question)
    if quoted and COUNTING.search(question):
        return [("text_statistics", {"text": (quoted[1] or quoted[2]).strip()})]
    if expressions := _expressions(question):
        return [("calculator", {"expression": expression}) for expression in expressions]
    return [("lookup", {"question": question})] if ASKING.search(question) else []


def _expressions(question: str) -> list[str]:
    """Return the pieces of the question that read as sums; dates and lone numbers do not."""
    pieces = (match[0].strip().rstrip(".-+ ") for match in EXPRESSION.finditer(question))
    return [piece for piece in pieces if _is_sum(piece)]


def _is_sum(piece: str) -> bool:
    try:
        return isinstance(ast.parse(piece, mode="eval").body, ast.BinOp | ast.Call)
    except SyntaxError:
        return False


def _latest_results(messages: list[BaseMessage]) -> list[ToolMessage]:
    """The tool messages that end the conversation, in order."""
    results: list[ToolMessage] = []
    for message in reversed(messages):
        if not isinstance(message, ToolMessage):
            break
        results.insert(0, message)
    return results


def _arguments(messages: list[BaseMessage], result: ToolMessage) -> dict[str, Any]:
    calls = (call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls)
    return next((call["args"] for call in calls if call["id"] == result.tool_call_id), {})


def _sentence(result: ToolMessage, arguments: dict[str, Any]) -> str:
    if result.status == "error":
        return f"I could not do that: {result.text.removeprefix('Error: ')}."
    match result.name:
        case "calculator":
            return f"{arguments['expression']} = {result.text}."
        case "text_statistics":
            counts = json.loads(result.text).items()
            return f"In that text: {', '.join(f'{name} {count}' for name, count in counts)}.".replace("_", " ")
        case _:
            return result.text
