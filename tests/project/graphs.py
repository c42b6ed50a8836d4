"""Graphs for the system tests: small, each with one trait. Side effects go to files, so that tests can count them.

`steps` and `blocking` append a line to the file in `journal` for each node that begins, which tells executions apart
from what the state says.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.store.base import BaseStore
from langgraph.types import Command, Send, interrupt
from typing_extensions import TypedDict


class EchoState(TypedDict, total=False):
    """One text."""

    text: str


async def _echo(state: EchoState) -> EchoState:
    return {"text": f"echo: {state.get('text', '')}"}


echo = StateGraph(EchoState).add_node("echo", _echo).add_edge(START, "echo").add_edge("echo", END).compile()


class StepsState(TypedDict, total=False):
    """A count that every step adds to, and where steps leave a trace."""

    count: Annotated[int, operator.add]
    applied: Annotated[list[str], operator.add]
    journal: str
    delay: float


def _trace(state: Any, line: str) -> None:
    if journal := state.get("journal"):
        with Path(journal).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _step(number: int) -> Any:
    async def step(state: StepsState) -> StepsState:
        _trace(state, f"step{number}")
        await asyncio.sleep(state.get("delay", 0))
        return {"count": 1, "applied": [f"step{number}"]}

    return step


def _chain(steps: int) -> Any:
    builder = StateGraph(StepsState)
    names = [f"step{number}" for number in range(steps)]
    for number, name in enumerate(names):
        builder.add_node(name, _step(number))
    for before, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(before, after)
    return builder


# Not compiled: the worker does that.
steps = _chain(6)


class TokensState(TypedDict, total=False):
    """How many tokens, how far apart, and how many were written."""

    tokens: int
    delay: float
    written: int


async def _write_tokens(state: TokensState) -> TokensState:
    write = get_stream_writer()
    for number in range(state.get("tokens", 10)):
        write({"token": number})
        if "delay" in state:
            await asyncio.sleep(state["delay"])
    return {"written": state.get("tokens", 10)}


tokens = (
    StateGraph(TokensState).add_node("write", _write_tokens).add_edge(START, "write").add_edge("write", END).compile()
)


class WordModel(BaseChatModel):
    """A chat model that answers with the words of the last message, one token each."""

    @property
    def _llm_type(self) -> str:
        return "words"

    def _chunks(self, messages: list[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        for word in str(messages[-1].content).split():
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=str(messages[-1].content)))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages):
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(chunk.message.content), chunk=chunk)
            yield chunk


async def _answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await WordModel().ainvoke(state["messages"])]}


chat = StateGraph(MessagesState).add_node("answer", _answer).add_edge(START, "answer").add_edge("answer", END).compile()


class GateState(TypedDict, total=False):
    """A question and its answer."""

    question: str
    answer: str
    log: Annotated[list[str], operator.add]


def _ask(state: GateState) -> GateState:
    answer = interrupt({"question": state.get("question", "?")})
    return {"answer": str(answer), "log": ["asked"]}


def _close(state: GateState) -> GateState:
    return {"log": [f"closed with {state['answer']}"]}


gate = (
    StateGraph(GateState)
    .add_node("ask", _ask)
    .add_node("close", _close)
    .add_edge(START, "ask")
    .add_edge("ask", "close")
    .add_edge("close", END)
    .compile()
)


class FanState(TypedDict, total=False):
    """Numbers, and their squares in any order."""

    numbers: list[int]
    squares: Annotated[list[int], operator.add]


class SquareInput(TypedDict):
    """What one branch gets."""

    number: int


def _spread(state: FanState) -> list[Send]:
    return [Send("square", {"number": number}) for number in state["numbers"]]


def _square(state: SquareInput) -> FanState:
    return {"squares": [state["number"] ** 2]}


fan_out = (
    StateGraph(FanState)
    .add_node("square", _square)
    .add_conditional_edges(START, _spread, ["square"])
    .add_edge("square", END)
    .compile()
)


def _outer(state: EchoState) -> Command[str]:
    return Command(update={"text": f"outer({state['text']})"}, goto="inner")


_inner = (
    StateGraph(EchoState).add_node("shout", lambda s: {"text": s["text"].upper()}).add_edge(START, "shout").compile()
)
nested = (
    StateGraph(EchoState)
    .add_node("outer", _outer, destinations=("inner",))
    .add_node("inner", _inner)
    .add_edge(START, "outer")
    .add_edge("inner", END)
    .compile()
)


async def _block_the_loop(state: StepsState) -> StepsState:
    _trace(state, "blocking")
    end = time.monotonic() + state.get("delay", 1.0)
    while time.monotonic() < end:
        time.sleep(0.05)  # noqa: ASYNC251
    return {"count": 1}


blocking = StateGraph(StepsState).add_node("block", _block_the_loop).add_edge(START, "block").compile()


def _block_a_thread(state: StepsState) -> StepsState:
    _trace(state, "began")
    time.sleep(state.get("delay", 1.0))
    _trace(state, "ended")
    return {"count": 1}


thread = StateGraph(StepsState).add_node("sleep", _block_a_thread).add_edge(START, "sleep").compile()


class RefusedError(ValueError):
    """What `failing` raises."""


async def _fail(state: EchoState) -> EchoState:
    raise RefusedError(f"no {state.get('text', '')}")


failing = StateGraph(EchoState).add_node("fail", _fail).add_edge(START, "fail").compile()


async def _swallow_cancels(state: StepsState) -> StepsState:
    _trace(state, "began")
    end = time.monotonic() + state.get("delay", 60.0)
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    _trace(state, "ended")
    return {"count": 1}


stubborn = StateGraph(StepsState).add_node("refuse", _swallow_cancels).add_edge(START, "refuse").compile()


@asynccontextmanager
async def made(config: RunnableConfig) -> AsyncIterator[Any]:
    """A factory: the graph depends on the config."""
    suffix = config.get("configurable", {}).get("suffix", "!")
    builder = StateGraph(EchoState).add_node("say", lambda s: {"text": s["text"] + suffix}).add_edge(START, "say")
    yield builder.compile()


async def _remember(state: EchoState, *, store: BaseStore) -> EchoState:
    before = await store.aget(("texts",), "last")
    await store.aput(("texts",), "last", {"text": state["text"]})
    return {"text": f"before: {before.value['text'] if before else 'nothing'}"}


memory = StateGraph(EchoState).add_node("remember", _remember).add_edge(START, "remember").compile()
