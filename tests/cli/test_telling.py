"""Events on a screen that is no terminal, and on one that is."""

from __future__ import annotations

import json
from io import StringIO

from rich.console import Console

from runwire.api.stream.v1 import stream_pb2 as pb
from runwire.api.type.v1.json_pb2 import Json
from runwire.cli.figures import Figures
from runwire.cli.screens import screen_of
from runwire.cli.telling import Teller


def json_of(value: object) -> Json:
    return Json(text=json.dumps(value))


def call_chunk(**call: str) -> pb.MessageChunk:
    chunk = json_of({"content": "", "tool_call_chunks": [call]})
    return pb.MessageChunk(message_id="m", chunk=chunk)


def told(*events: pb.RunEvent, terminal: bool = False) -> list[str]:
    """The lines on the screen, without their times."""
    console = Console(file=StringIO(), force_terminal=terminal, width=200, highlight=False)
    with screen_of(console, began=0) as screen:
        teller = Teller(screen)
        for event in events:
            teller.tell(event)
    file = console.file
    assert isinstance(file, StringIO)
    return [line.strip().partition(" ")[2].strip() for line in file.getvalue().splitlines()]


def test_the_tokens_of_a_message_grow_on_one_line() -> None:
    tokens = [pb.RunEvent(message=pb.MessageChunk(message_id="m", delta=delta)) for delta in ("One", " and", " two")]
    assert told(*tokens) == ["message      One and two"]


def test_another_message_begins_another_line() -> None:
    tokens = [pb.RunEvent(message=pb.MessageChunk(message_id=one, delta=one)) for one in ("a", "b")]
    assert told(*tokens) == ["message      a", "message      b"]


def test_a_tool_call_is_told_with_its_arguments() -> None:
    pieces = [call_chunk(name="count", args=""), call_chunk(args='{"of": '), call_chunk(args='"words"}')]
    assert told(*(pb.RunEvent(message=piece) for piece in pieces)) == ['tool call    count {"of": "words"}']


def test_two_tool_calls_of_a_message_are_two_lines() -> None:
    pieces = [call_chunk(name="first", args="{}"), call_chunk(name="second", args="{}")]
    assert told(*(pb.RunEvent(message=piece) for piece in pieces)) == [
        "tool call    first {}",
        "tool call    second {}",
    ]


def test_what_a_tool_returned_is_told_whole() -> None:
    result = pb.MessageChunk(message_id="t", message_type="tool", complete=True, chunk=json_of({"content": "17 words"}))
    assert told(pb.RunEvent(message=result)) == ["tool result  17 words"]


def test_updates_of_subgraphs_are_not_told() -> None:
    update = pb.Update(node="inner", update=json_of({"key": 1}))
    assert told(pb.RunEvent(namespace=["outer:1"], update=update)) == []


def test_a_gap_is_said() -> None:
    gap = pb.Gap(reason=pb.GapReason.GAP_REASON_NOT_LOGGED, missing=3)
    assert told(pb.RunEvent(gap=gap)) == ["gap          3 events are missing here: not logged"]


def test_brackets_in_a_text_are_no_markup() -> None:
    custom = pb.Custom(data=json_of("[bold]as it is[/bold]"))
    assert told(pb.RunEvent(custom=custom)) == ['custom       "[bold]as it is[/bold]"']


def test_a_terminal_shows_the_progress_of_the_sections() -> None:
    split = pb.Custom(data=json_of({"kind": "split", "sections": 4, "characters": 99}))
    section = pb.Custom(data=json_of({"kind": "section", "total": 4, "title": "T", "words": 3, "findings": 0}))
    lines = told(pb.RunEvent(custom=split), pb.RunEvent(custom=section), terminal=True)
    assert any("1/4" in line for line in lines)


def test_heartbeats_count_neither_as_events_nor_as_the_first() -> None:
    figures = Figures(title="a run")
    figures.count("heartbeat")
    assert (figures.events, figures.first_event) == (0, None)


def test_updates_count_as_steps() -> None:
    figures = Figures(title="a run")
    for kind in ("started", "update", "message", "update", "finished"):
        figures.count(kind)
    assert (figures.events, figures.steps) == (5, 2)
