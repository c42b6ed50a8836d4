"""The measured graphs: each shows the cost of one thing, and none does work of its own.

noop      one node that returns a constant: what a run costs
tokens    200 custom chunks without a pause: what an event costs
messages  200 chunks of a chat model: what a token costs
steps     10 supersteps that rewrite 2 KB of state: what a checkpoint costs
slow      50 custom chunks, 20 ms apart: what many quiet streams cost

A custom chunk carries `t`, the machine's clock in nanoseconds when it was written. `n_tokens` and `delay_ms` of the
input replace the figures above.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, TypedDict

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.config import get_stream_writer
from langgraph.graph import START, StateGraph

TOKENS = 200
SLOW_CHUNKS = 50
SLOW_DELAY_MS = 20.0
STEPS = 10

_PADDING = "x" * 64
_WORD = "tok "


class Text(TypedDict, total=False):
    """The state of all graphs but `steps`."""

    value: str
    n_tokens: int
    delay_ms: float


class Document(TypedDict, total=False):
    """The state of `steps`: a counter and a document that each step writes anew."""

    n: int
    doc: dict[str, Any]


class Parrot(BaseChatModel):
    """A chat model that streams one word `words` times, at once and offline."""

    words: int = TOKENS

    @property
    def _llm_type(self) -> str:
        return "parrot"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=_WORD * self.words))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for _number in range(self.words):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=_WORD))
            if run_manager is not None:
                await run_manager.on_llm_new_token(_WORD, chunk=chunk)
            yield chunk


async def _constant(state: Text) -> Text:
    return {"value": "done"}


async def _write_at_once(state: Text) -> Text:
    write = get_stream_writer()
    for number in range(state.get("n_tokens", TOKENS)):
        write(_chunk(number))
    return {"value": "done"}


async def _write_slowly(state: Text) -> Text:
    write = get_stream_writer()
    delay = state.get("delay_ms", SLOW_DELAY_MS) / 1e3
    for number in range(state.get("n_tokens", SLOW_CHUNKS)):
        await asyncio.sleep(delay)
        write(_chunk(number))
    return {"value": "done"}


async def _ask_model(state: Text) -> Text:
    answer = await Parrot(words=state.get("n_tokens", TOKENS)).ainvoke("go")
    return {"value": f"done{len(answer.content)}"}


async def _rewrite(state: Document) -> Document:
    number = state.get("n", 0) + 1
    rows = [{"id": f"{number}-{row}", "text": "y" * 180} for row in range(10)]
    return {"n": number, "doc": {"rev": number, "rows": rows}}


def _chunk(number: int) -> dict[str, Any]:
    return {"i": number, "t": time.time_ns(), "pad": _PADDING}


def _one_node(node: Any) -> StateGraph[Text]:
    return StateGraph(Text).add_node("node", node).add_edge(START, "node")


def _chain(node: Any, length: int) -> StateGraph[Document]:
    nodes = [(f"step{number}", node) for number in range(length)]
    return StateGraph(Document).add_sequence(nodes).add_edge(START, "step0")


noop = _one_node(_constant)
tokens = _one_node(_write_at_once)
messages = _one_node(_ask_model)
steps = _chain(_rewrite, STEPS)
slow = _one_node(_write_slowly)
