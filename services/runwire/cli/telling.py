"""The events of a run, told on a screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runwire.api.stream.v1.stream_pb2 import (
    Custom,
    Gap,
    GapReason,
    Interrupted,
    MessageChunk,
    RunEvent,
    Started,
    Update,
)
from runwire.api.type.v1.run_pb2 import Interrupt
from runwire.cli.screens import Screen

_FIELDS_SHOWN = 6


class Teller:
    """Tells the events of one run as they come."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._message_id: str | None = None
        self._sections = 0

    def tell(self, event: RunEvent) -> None:
        """Shows one event. What a subgraph returns is only counted, by the caller."""
        kind = event.WhichOneof("payload")
        if kind == "message":
            self._message(event.message)
            return
        if kind != "heartbeat":
            self._end_message()
        match kind:
            case "started":
                self._started(event.started)
            case "update" if not event.namespace:
                self._update(event.update)
            case "custom":
                self._custom(event.custom)
            case "interrupted":
                self._interrupted(event.interrupted)
            case "gap":
                self._gap(event.gap)

    def _started(self, started: Started) -> None:
        self._screen.line("started", f"attempt {started.attempt} of graph {started.graph_id}")

    def _update(self, update: Update) -> None:
        self._screen.line("update", f"{update.node}{_fields(json.loads(update.update.text))}")

    def _custom(self, custom: Custom) -> None:
        data = json.loads(custom.data.text)
        match data:
            case {"kind": "split", "sections": int(sections), "characters": int(characters)}:
                self._screen.line("progress", f"split into {sections} sections, {characters:,} characters")
                self._screen.progress(0, sections)
            case {"kind": "section", "total": int(total)}:
                self._sections += 1
                self._screen.line("progress", f"section {self._sections} of {total}: {_section(data)}")
                self._screen.progress(self._sections, total)
            case {"kind": "draft", "key_points": int(points), "findings": int(findings)}:
                self._screen.line("progress", f"draft with {points} key points, {findings} things to look at")
            case _:
                self._screen.line("custom", custom.data.text)

    def _message(self, message: MessageChunk) -> None:
        chunk = json.loads(message.chunk.text) if message.HasField("chunk") else {}
        if message.complete:
            self._end_message()
            text = message.delta or _text(chunk.get("content"))
            self._screen.line("tool result" if message.message_type == "tool" else "message", text)
            return
        if message.message_id != self._message_id:
            self._end_message()
        for call in chunk.get("tool_call_chunks") or ():
            self._tool_call(message.message_id, call)
        if text := message.delta or _text(chunk.get("content")):
            self._grow(message.message_id, "message", text)

    def _tool_call(self, message_id: str, call: Mapping[str, Any]) -> None:
        if call.get("name"):
            self._end_message()
            self._grow(message_id, "tool call", f"{call['name']} ")
        if call.get("args"):
            self._grow(message_id, "tool call", call["args"])

    def _grow(self, message_id: str, kind: str, text: str) -> None:
        if self._message_id is None:
            self._message_id = message_id
            self._screen.begin_line(kind)
        self._screen.add(text)

    def _end_message(self) -> None:
        self._message_id = None
        self._screen.end_line()

    def _interrupted(self, interrupted: Interrupted) -> None:
        for interrupt in interrupted.interrupts:
            question = question_of(interrupt)
            self._screen.line("interrupted", str(question.get("problem") or question.get("question") or "paused"))

    def _gap(self, gap: Gap) -> None:
        reason = GapReason.Name(gap.reason).removeprefix("GAP_REASON_").lower().replace("_", " ")
        self._screen.line("gap", f"{gap.missing or 'some'} events are missing here: {reason}")


def question_of(interrupt: Interrupt) -> Mapping[str, Any]:
    """What an interrupt asks, where it is an object."""
    value = json.loads(interrupt.value.text) if interrupt.HasField("value") else {}
    return value if isinstance(value, dict) else {"question": value}


def _section(data: Mapping[str, Any]) -> str:
    keywords = ", ".join(data.get("keywords", ()))
    title, words, findings = (data.get(name) for name in ("title", "words", "findings"))
    return f"“{title}”, {words} words; {keywords or 'no keywords'}; {findings} to look at"


def _fields(update: object) -> str:
    if not isinstance(update, dict) or not update:
        return ""
    names = list(update)
    more = ", …" if len(names) > _FIELDS_SHOWN else ""
    return f" → {', '.join(names[:_FIELDS_SHOWN])}{more}"


def _text(content: object) -> str:
    """The text of a message's content, be it a text or blocks."""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) if isinstance(block, dict) else str(block) for block in content)
    return content if isinstance(content, str) else ""
