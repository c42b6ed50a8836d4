"""Workflows of the functional API: what they return is of any type, and their tasks are counted in files."""

import asyncio
from pathlib import Path
from typing import Any

from langgraph.func import entrypoint, task
from langgraph.types import interrupt
from typing_extensions import TypedDict


class Work(TypedDict, total=False):
    """Where tasks leave a trace, what to ask, and a file that has to be there for the work to go on."""

    journal: str
    question: str
    gate: str


@task
def _note(work: Work, line: str) -> str:
    if journal := work.get("journal"):
        with Path(journal).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    return line


@task
async def _pass_gate(gate: str) -> None:
    while not Path(gate).exists():
        await asyncio.sleep(0.02)


@task
def _ask(question: str) -> str:
    return str(interrupt({"question": question}))


@entrypoint()
async def count(work: Work, *, previous: int | None = None) -> int:
    """The number of calls of the thread; asks in between where there is a question."""
    await _note(work, "first")
    if gate := work.get("gate"):
        await _pass_gate(gate)
    if question := work.get("question"):
        await _ask(question)
    await _note(work, "second")
    return (previous or 0) + 1


@entrypoint()
async def whatever(value: Any) -> Any:
    """Returns what it was given."""
    return value
