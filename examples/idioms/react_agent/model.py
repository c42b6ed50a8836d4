"""A chat model that follows rules in place of a provider's: it streams, and it asks for tools."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool

_CITY = re.compile(r"\b(Oslo|Lagos|Lima|Atlantis)\b")


class RuleModel(BaseChatModel):
    """Asks for what the question names, then sums up what the tools said."""

    @property
    def _llm_type(self) -> str:
        return "rules"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        message = _reply(messages, {tool["function"]["name"] for tool in kwargs.get("tools", ())})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        message = _reply(messages, {tool["function"]["name"] for tool in kwargs.get("tools", ())})
        for word in re.findall(r"\S+\s*", str(message.content)):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        for index, call in enumerate(message.tool_calls):
            piece = tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))


def _reply(messages: list[BaseMessage], tools: set[str]) -> AIMessage:
    asked = max(number for number, message in enumerate(messages) if isinstance(message, HumanMessage))
    question, answers = str(messages[asked].content), messages[asked + 1 :]
    if not answers and (wanted := [call for call in _calls(question) if call[0] in tools]):
        calls = [
            {"name": name, "args": args, "id": f"call_{len(messages)}_{number}"}
            for number, (name, args) in enumerate(wanted)
        ]
        return AIMessage("", tool_calls=calls)
    told = [str(message.content) for message in answers if isinstance(message, ToolMessage)]
    return AIMessage(f"So: {'; '.join(told)}." if told else "I can't tell.")


def _calls(question: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for city in _CITY.findall(question):
        yield ("book_flight" if "book" in question.lower() else "temperature"), {"city": city}
    if "remember" in question.lower():
        yield "note", {"text": question}
