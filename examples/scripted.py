"""Chat models for examples that must run with no network and no key.

A `ScriptedChatModel` answers by plain rules, yet behaves like a provider's model: it streams its tokens,
binds tools and asks for them with tool calls. `choose_model` puts a real provider's model in its place.
"""

import asyncio
import json
import os
import re
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib import import_module
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

TOKEN = re.compile(r"\s*\S+|\s+$")


class ScriptedChatModel(BaseChatModel):
    """A chat model whose answers come from `reply`, streamed word by word."""

    seconds_per_token: float = float(os.environ.get("RUNWIRE_EXAMPLE_TOKEN_SECONDS", "0"))

    @abstractmethod
    def reply(self, messages: list[BaseMessage], tools: frozenset[str]) -> AIMessage:
        """Return the next message; `tools` are the names of the tools that may be called."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, kwargs))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._answer(messages, kwargs)):
            time.sleep(self.seconds_per_token)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _chunks(self._answer(messages, kwargs)):
            await asyncio.sleep(self.seconds_per_token)
            yield chunk

    def _answer(self, messages: list[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        return self.reply(messages, frozenset(tool["function"]["name"] for tool in kwargs.get("tools", ())))


def call_tools(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    """Return a message that asks for tools by name and arguments."""
    return AIMessage(
        content="",
        tool_calls=[tool_call(name=name, args=args, id=f"call_{uuid4().hex}") for name, args in calls],
    )


def choose_model(scripted: BaseChatModel) -> BaseChatModel:
    """Return the model named by RUNWIRE_EXAMPLE_MODEL (`provider:model`), or the scripted one if it is unset.

    Raises RuntimeError if a model is named and the `langchain` package is missing.
    """
    name = os.environ.get("RUNWIRE_EXAMPLE_MODEL")
    if not name:
        return scripted
    try:
        langchain = import_module("langchain.chat_models")
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"RUNWIRE_EXAMPLE_MODEL is {name!r}, which needs the langchain package and the provider's own: "
            "install them, or unset the variable to use the offline model."
        ) from error
    model: BaseChatModel = langchain.init_chat_model(name)
    return model


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    for token in TOKEN.findall(message.text):
        yield ChatGenerationChunk(message=AIMessageChunk(content=token))
    for index, call in enumerate(message.tool_calls):
        yield _call_chunk(index, "", name=call["name"], id=call["id"])
        for part in TOKEN.findall(json.dumps(call["args"], ensure_ascii=False)):
            yield _call_chunk(index, part)


def _call_chunk(index: int, args: str, name: str | None = None, id: str | None = None) -> ChatGenerationChunk:
    piece = tool_call_chunk(name=name, args=args, id=id, index=index)
    return ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[piece]))
