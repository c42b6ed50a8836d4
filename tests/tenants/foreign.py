"""What each field of a request names, and a request of each RPC that a tenant could make of its own things."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.stream import thread_position
from tests.contract.rpcs import Rpc, all_rpcs

Path = tuple[str, ...]

KINDS: Mapping[str, str] = {
    "assistant_id": "assistant",
    "thread_id": "thread",
    "thread_ids": "thread",
    "target_thread_id": "thread",
    "run_id": "run",
    "run_ids": "run",
    "cron_id": "cron",
    "checkpoint_id": "checkpoint",
    "namespace": "namespace",
    "namespace_prefix": "namespace",
    "prefix": "namespace",
    "suffix": "namespace",
    "key": "item",
    "after_event_id": "event",
}
"""What fields of these names hold: the id of something that a tenant owns."""

NOT_OWNED: Mapping[str, frozenset[str]] = {
    # Graphs are the operator's, the same for all tenants; so are the nodes and namespaces within.
    "graph_id": frozenset(),
    "node": frozenset(),
    "nodes": frozenset(),
    "as_node": frozenset(),
    "checkpoint_ns": frozenset(),
    "path": frozenset(),
    # A place in the caller's own list.
    "page_token": frozenset(),
    # Content.
    **dict.fromkeys(
        (
            "name",
            "name_contains",
            "description",
            "tags",
            "text",
            "query",
            "paths",
            "schedule",
            "time_zone",
            "url",
            "value",
        ),
        frozenset[str](),
    ),
    # Where a name of the first table means something else.
    "key": frozenset({"headers", "conditions"}),
    "namespace": frozenset({"ListAssistantSubgraphs"}),
    "after_event_id": frozenset({"StreamRun"}),
}
"""What names nothing that a tenant owns: anywhere, or only under these messages' fields and in these RPCs."""


class NoKind(AssertionError):
    """A text field of a request is in neither table."""


@dataclass(frozen=True, slots=True)
class Case:
    """One field of one RPC's request that names something, and the kind of what it names."""

    rpc: Rpc
    path: Path
    kind: str

    def __str__(self) -> str:
        return f"{self.rpc.name}.{'.'.join(self.path)}"


def cases() -> list[Case]:
    """Every field of every request that names something that a tenant owns. Raises NoKind."""
    return [
        Case(rpc, path, kind)
        for rpc in all_rpcs()
        for path in _texts(rpc.method.input_type)
        if (kind := _kind(rpc.name, path)) is not None
    ]


def _texts(message: Descriptor, inside: Path = ()) -> Iterator[Path]:
    for field in message.fields:
        path = (*inside, field.name)
        if field.message_type is not None and not field.message_type.full_name.startswith("google."):
            yield from _texts(field.message_type, path)
        elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            yield path


def _kind(rpc: str, path: Path) -> str | None:
    name, around = path[-1], {rpc, *path[:-1]}
    elsewhere = NOT_OWNED.get(name)
    if elsewhere is not None and (not elsewhere or elsewhere & around):
        return None
    if name not in KINDS:
        raise NoKind(f"{rpc}.{'.'.join(path)}: does it name something that a tenant owns? Add it to one of the tables.")
    return KINDS[name]


@dataclass(frozen=True, slots=True)
class Things:
    """What one tenant has."""

    assistant: str
    thread: str
    run: str
    cron: str
    checkpoint: str
    queue: str
    """A thread with a run that is not due."""
    namespace: str = "docs"
    item: str = ""


def foreign(kind: str, theirs: Things) -> str:
    """The other tenant's id."""
    if kind == "event":
        return thread_position.event_id(UUID(theirs.run), "1-1", datetime(2026, 1, 1, tzinfo=UTC), is_last=False)
    value: str = getattr(theirs, kind)
    return value


def unknown(kind: str, theirs: Things) -> str:
    """An id of the same make that nothing has."""
    match kind:
        case "event":
            return thread_position.event_id(uuid4(), "1-1", datetime(2026, 1, 1, tzinfo=UTC), is_last=False)
        case "checkpoint":
            # Right beside the other one, since some are looked for by their order.
            return theirs.checkpoint[:-1] + ("0" if theirs.checkpoint[-1] != "0" else "1")
        case "run":
            return str(uuid4())
        case _:
            return f"unknown-{uuid4()}"


def request(case: Case, value: str, mine: Things, theirs: Things) -> Message:
    """A request about the caller's own things, with the value in the case's field."""
    made = case.rpc.request_class()
    base = BASES.get(case.rpc.name)
    if base is not None:
        made.MergeFrom(base(mine, theirs))
    if case.kind == "checkpoint":
        _set(made, (*case.path[:-2], "thread_id"), mine.thread)
    _set(made, case.path, value)
    return made


def _set(message: Any, path: Path, value: str) -> None:
    for name in path[:-1]:
        inner = getattr(message, name)
        if hasattr(inner, "add"):
            inner = inner[0] if inner else inner.add()
        message = inner
    if hasattr(getattr(message, path[-1]), "append"):
        getattr(message, path[-1])[:] = [value]
    else:
        setattr(message, path[-1], value)


def _run(mine: Things) -> CreateRunRequest:
    return CreateRunRequest(
        assistant_id=mine.assistant, thread_id=mine.queue, input=Json(text="{}"), start_delay=Duration(seconds=3600)
    )


def _tick(mine: Things) -> CreateRunRequest:
    return CreateRunRequest(assistant_id=mine.assistant, input=Json(text="{}"))


def _of(called: str, /, **fields: Any) -> Message:
    rpc = next(rpc for rpc in all_rpcs() if rpc.name == called)
    return rpc.request_class(**fields)


_YEARLY = "0 0 1 1 *"

BASES: Mapping[str, Callable[[Things, Things], Message]] = {
    "CreateAssistant": lambda mine, theirs: _of("CreateAssistant", graph_id="echo"),
    "UpdateAssistant": lambda mine, theirs: _of("UpdateAssistant", name="changed"),
    "SetLatestAssistantVersion": lambda mine, theirs: _of("SetLatestAssistantVersion", version=1),
    "CopyThread": lambda mine, theirs: _of("CopyThread", thread_id=mine.thread, target_thread_id=f"copy-{uuid4()}"),
    "PutItem": lambda mine, theirs: _of("PutItem", namespace=["docs"], key=theirs.item, value=Json(text="{}")),
    "GetItem": lambda mine, theirs: _of("GetItem", namespace=["docs"], key=theirs.item),
    "DeleteItem": lambda mine, theirs: _of("DeleteItem", namespace=["docs"], key=theirs.item),
    "CreateRun": lambda mine, theirs: _run(mine),
    "BatchCreateRuns": lambda mine, theirs: _of("BatchCreateRuns", requests=[_run(mine)]),
    "CreateCron": lambda mine, theirs: _of("CreateCron", schedule=_YEARLY, run=_tick(mine)),
    "UpdateCron": lambda mine, theirs: _of("UpdateCron", cron_id=mine.cron, run=_tick(mine)),
    "UpdateThreadState": lambda mine, theirs: _of(
        "UpdateThreadState", thread_id=mine.thread, updates=[{"values": Json(text="{}")}]
    ),
    "ListThreadHistory": lambda mine, theirs: _of("ListThreadHistory", thread_id=mine.thread),
    "StreamThread": lambda mine, theirs: _of("StreamThread", thread_id=mine.thread),
}
"""Requests that need more than the id. Every other one is empty but for it."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"^ *(seconds|nanos): \d+\n", re.MULTILINE)


def masked(text: str, value: str) -> str:
    """A text without the id that was asked for, ids that were made, and times."""
    return _TIME.sub("", _UUID.sub("<id>", text.replace(value, "<id>")))
