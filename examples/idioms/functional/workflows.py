"""Workflows as functions: tasks, interrupts, and what a thread remembers of the call before."""

import asyncio

from langgraph.config import get_stream_writer
from langgraph.func import entrypoint, task
from langgraph.types import interrupt
from typing_extensions import TypedDict


@entrypoint()
async def total(number: int, *, previous: int | None = None) -> int:
    """Takes a number and returns a number: the sum of all that the thread was given."""
    return (previous or 0) + number


class Request(TypedDict):
    """What to write about."""

    subject: str
    paragraphs: int


@task
async def write_paragraph(subject: str, number: int) -> str:
    """One paragraph; the first ones take longest."""
    await asyncio.sleep(0.02 / number)
    get_stream_writer()({"written": number})
    return f"{number}. About {subject}."


@task
def join(paragraphs: list[str]) -> str:
    """The whole text."""
    return "\n".join(paragraphs)


@entrypoint()
async def essay(request: Request) -> dict:
    """Paragraphs in parallel, then a person's word on the whole; an edit replaces the text."""
    futures = [write_paragraph(request["subject"], n + 1) for n in range(request["paragraphs"])]
    text = await join(await asyncio.gather(*futures))
    review = interrupt({"draft": text})
    return {"text": review.get("text", text), "approved": review["approved"]}


@entrypoint()
def journal(line: str, *, previous: list[str] | None = None) -> entrypoint.final[str, list[str]]:
    """Returns one thing and keeps another for the next call."""
    lines = [*(previous or []), line]
    return entrypoint.final(value=f"{len(lines)} lines, the last: {line}", save=lines)
