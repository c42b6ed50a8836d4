"""The pause of the document example: the draft, and who approves it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 12
_YES = ("", "y", "yes")
_NO = ("n", "no")


def draft_markdown(draft: Mapping[str, Any]) -> str:
    """The draft for the eyes of its approver."""
    return "\n".join(_lines(draft))


def _lines(draft: Mapping[str, Any]) -> Iterator[str]:
    yield f"**Draft: {draft['title']}** ({draft['words']} words, {draft['reading_minutes']} min to read)\n"
    yield f"Keywords: {', '.join(draft['keywords'])}\n"
    yield from _some(draft["key_points"])
    yield "\nOutline:\n"
    yield from _some([entry["title"] for entry in draft["outline"]])
    yield f"\nThings to look at: {len(draft['findings'])}"


def _some(entries: list[str]) -> Iterator[str]:
    yield from (f"- {entry}" for entry in entries[:_SHOWN])
    if len(entries) > _SHOWN:
        yield f"- … and {len(entries) - _SHOWN} more"


def approved_by_demo() -> Mapping[str, Any]:
    """The demo's own answer."""
    return {"approved": True, "note": "Approved by the demo."}


async def ask_a_person() -> Mapping[str, Any]:
    """A person's answer; no input at all is a no."""
    while True:
        print("Approve this draft? [Y/n] ", end="", flush=True)
        line = await _read_line()
        answer = line.strip().lower()
        if line and answer in _YES:
            return {"approved": True, "note": "Approved in the terminal."}
        if not line or answer in _NO:
            return {"approved": False, "note": "Rejected in the terminal."}


async def _read_line() -> str:
    """A line of standard input. Not read in a thread, which could not be stopped while it waits."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(sys.stdin, arrived.set)
    try:
        await arrived.wait()
        return sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin)
