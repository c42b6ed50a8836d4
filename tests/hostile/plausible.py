"""Valid values by a field's name, so that requests come far: ids of rows that exist, tokens that were given out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2
from tests.hostile.world import World

Draw = Callable[[st.SearchStrategy[Any]], Any]

NEEDED = frozenset(
    (
        *("run_id", "thread_id", "assistant_id", "graph_id", "cron_id", "namespace", "key", "value", "schedule"),
        *("run", "requests", "updates", "thread_ids", "url", "node", "operand", "text", "path", "version"),
    )
)
"""Fields without which a request comes to nothing."""

SPANS: dict[str, Callable[[Draw], Any]] = {
    "timeout": lambda draw: Duration(nanos=draw(st.sampled_from([0, 1, 50_000_000]))),
    "heartbeat_interval": lambda draw: Duration(seconds=draw(st.sampled_from([1, 15, 60]))),
    "run_timeout": lambda draw: Duration(seconds=draw(st.sampled_from([1, 60]))),
    "start_delay": lambda draw: Duration(seconds=draw(st.sampled_from([0, 1, 2_592_000]))),
    "ttl": lambda draw: Duration(seconds=draw(st.sampled_from([60, 86_400]))),
    "duration": lambda draw: Duration(seconds=draw(st.sampled_from([60, 86_400]))),
    "end_time": lambda draw: Timestamp(seconds=draw(st.sampled_from([1_795_000_000, 4_000_000_000]))),
}

_PICKS = st.integers(0, 31)
# Names in `.invalid` resolve nowhere, and the others are refused: no call ever leaves the machine.
_URLS = ["http://hook.invalid/x", "https://hook.invalid:8443/?a=b", "http://127.0.0.1:1/", "http://[::1]/", "http://0/"]
_URLS += ["file:///etc/passwd", "gopher://hook.invalid", "http://user:word@hook.invalid/", "http://169.254.169.254/"]
_SCHEDULES = ["0 0 1 1 *", "0 0 29 2 *", "*/5 * * * *", "0 3 * * 1-5", "59 23 31 12 * 59"]
_OTHER: dict[str, list[str]] = {
    "url": _URLS,
    "schedule": _SCHEDULES,
    "time_zone": ["UTC", "Europe/Berlin", "Pacific/Apia", "America/New_York"],
    "name_contains": ["a", "%", "fuzz"],
    "name": ["fuzz", "other"],
    "description": ["any"],
    "tags": ["tag"],
    "node": ["echo", "ask", "step0", "nowhere"],
    "nodes": ["echo", "ask", "step0"],
    "as_node": ["echo", "ask", "step0", "__start__", "nowhere"],
    "query": [""],
    "paths": ["$"],
    "path": ["inner", "inner:1"],
}
_NAMED: dict[str, list[Any]] = {
    "input": [{"text": "x"}, {"count": 1}, {"question": "q"}, None, [], 5, {"unknown": 1}],
    "values": [{"text": "x"}, {"answer": "a"}, {"count": 2}, {"unknown": 1}, None, []],
    "resume": ["yes", 5, {"any": "thing"}, None],
    "update": [{"text": "x"}, {"answer": "a"}, {}],
    "configurable": [{"user": "u"}, {}],
    "context": [{"user": "u"}, {}],
    "value": [{"n": 1, "s": "x"}, {"n": 2.5}, {"deep": {"a": [1]}}],
    "operand": [1, 2.5, "x", True, None, {"a": [1]}],
}
_FROM_ONE = frozenset(("version", "if_version", "recursion_limit"))
_OBJECTS: list[Any] = [{}, {"kind": "fuzz"}, {"n": 1}, {"a": {"b": [1, 2]}}]


def jsons(field: FieldDescriptor) -> st.SearchStrategy[str]:
    """JSON texts that fit the field."""
    return st.sampled_from([json.dumps(value) for value in _NAMED.get(field.name, _OBJECTS)])


def number(field: FieldDescriptor) -> st.SearchStrategy[int]:
    """Small numbers."""
    return st.sampled_from([1, 2, 10] if field.name in _FROM_ONE else [0, 1, 2, 10])


def text(draw: Draw, field: FieldDescriptor, world: World) -> str:
    """A text that the server knows or takes."""
    message: Any = field.containing_type
    if field.name in ("page_token", "after_event_id"):
        return world.token(message.full_name, draw(_PICKS))
    if (kind := world.kind_of(str(field.name))) is not None:
        return world.pick(kind, draw(_PICKS))
    return str(draw(st.sampled_from(_OTHER.get(field.name, ["x"]))))


def mend(message: Message) -> None:
    """Takes out fields that exclude one another, here and further inside."""
    if isinstance(message, runs_pb2.CreateRunRequest):
        _mend_run(message)
    if isinstance(message, crons_pb2.CreateCronRequest):
        message.ClearField("cron_id")
    if isinstance(message, crons_pb2.CreateCronRequest | crons_pb2.UpdateCronRequest):
        message.run.ClearField("run_id")
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in value if field.is_repeated else [value]:
            mend(inner)


def _mend_run(run: runs_pb2.CreateRunRequest) -> None:
    run.ClearField("run_id")
    if run.thread_id:
        run.ClearField("on_completion")
    if not (run.thread_id and run.checkpoint.checkpoint_id):
        run.ClearField("checkpoint")
    if run.HasField("context"):
        run.config.ClearField("configurable")
    if not run.thread_id:
        run.command.ClearField("resume")
    if not run.command.ListFields():
        run.ClearField("command")
    for breakpoints in (run.interrupt_before, run.interrupt_after):
        if breakpoints.all_nodes:
            breakpoints.ClearField("nodes")
    run.stream_modes[:] = [mode for mode in run.stream_modes if mode]
    if run.HasField("webhook"):
        run.webhook.CopyFrom(runs_pb2.Webhook(url=_URLS[0], headers={"x-word": "y"}))
