"""What happens in a run: one class for each kind of event, made for `match`.

    match event:
        case events.MessageChunk(delta=text):
            print(text, end="")
        case events.Update(node, update):
            print(node, update)
        case events.Finished(status="error", error=error):
            print(error)

`Started` comes first and `Finished` last. A `Gap` says that events are missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from runwire.api.stream.v1 import stream_pb2
from runwire.client.codec import decode, mirror_of, mirrors, to_instant
from runwire.client.results import CheckpointRef, Interrupt, JsonObject, RunError, RunStatus

GapReason: TypeAlias = Literal["not_logged", "lost", "expired"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have. A bare Event is of a kind that this client does not know yet.

    `event_id` is opaque: give it back as `last_event_id`. `namespace` is the subgraph, outermost first; `event_time` is
    of the worker's clock.
    """

    event_id: str
    run_id: str
    thread_id: str
    namespace: tuple[str, ...]
    event_time: datetime


@mirrors(stream_pb2.Started)
@dataclass(frozen=True, slots=True)
class Started(Event):
    """An attempt began. With attempt above 1, what was told since the last checkpoint is void and happens again."""

    attempt: int
    graph_id: str
    assistant_id: str


@mirrors(stream_pb2.Values)
@dataclass(frozen=True, slots=True)
class Values(Event):
    """Mode "values": the whole state after a step."""

    values: Any = None


@mirrors(stream_pb2.Update)
@dataclass(frozen=True, slots=True)
class Update(Event):
    """Mode "updates": what one node returned."""

    node: str
    update: Any = None


@mirrors(stream_pb2.MessageChunk)
@dataclass(frozen=True, slots=True)
class MessageChunk(Event):
    """Mode "messages": a token, or with `complete` a whole message that a node returned.

    The first chunk of a message has its type and metadata; join the deltas of one message id. A chunk that is more than
    text is in `chunk`, whole, and then `delta` is empty.
    """

    message_id: str
    delta: str
    chunk: Any = None
    message_type: str = ""
    metadata: JsonObject = field(default_factory=dict)
    complete: bool = False


@mirrors(stream_pb2.Custom)
@dataclass(frozen=True, slots=True)
class Custom(Event):
    """Mode "custom": what a node wrote with the stream writer."""

    data: Any = None


@mirrors(stream_pb2.TaskStarted)
@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    """Mode "tasks": an execution of a node began."""

    task_id: str
    node: str
    input: Any = None
    triggers: tuple[str, ...] = ()


@mirrors(stream_pb2.TaskFinished)
@dataclass(frozen=True, slots=True)
class TaskFinished(Event):
    """Mode "tasks": an execution of a node ended. `error` is "" if it did not fail."""

    task_id: str
    node: str
    result: Any = None
    error: str = ""
    interrupts: tuple[Interrupt, ...] = ()


@mirrors(stream_pb2.Checkpoint)
@dataclass(frozen=True, slots=True)
class Checkpoint(Event):
    """Mode "checkpoints": a checkpoint was written. `next` are the nodes that come next."""

    ref: CheckpointRef
    parent: CheckpointRef | None = None
    next: tuple[str, ...] = ()
    values: Any = None
    metadata: JsonObject = field(default_factory=dict)


@mirrors(stream_pb2.Debug)
@dataclass(frozen=True, slots=True)
class Debug(Event):
    """Mode "debug": LangGraph's debug event."""

    type: str
    step: int
    data: Any = None


@mirrors(stream_pb2.Interrupted)
@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The graph paused. No interrupts: it stopped at a breakpoint."""

    interrupts: tuple[Interrupt, ...] = ()


@mirrors(stream_pb2.Finished)
@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The run has ended. With `rolled_back` it was undone and removed."""

    status: RunStatus
    error: RunError | None = None
    rolled_back: bool = False


@mirrors(stream_pb2.Heartbeat)
@dataclass(frozen=True, slots=True)
class Heartbeat(Event):
    """The stream is alive, and complete up to `event_id`. Only where heartbeats were asked for."""


@mirrors(stream_pb2.Gap)
@dataclass(frozen=True, slots=True)
class Gap(Event):
    """Events are missing here, `missing` of them or, if 0, an unknown number. The state is not affected: read it."""

    reason: GapReason
    missing: int = 0


def event_of(message: stream_pb2.RunEvent) -> Event:
    """The event of the class that its payload calls for."""
    shared: dict[str, Any] = {
        "event_id": message.event_id,
        "run_id": message.run_id,
        "thread_id": message.thread_id,
        "namespace": tuple(message.namespace),
        "event_time": to_instant(message.event_time),
    }
    kind = message.WhichOneof("payload")
    if kind is None:
        return Event(**shared)
    payload = getattr(message, kind)
    event: Event = decode(mirror_of(payload), payload, **shared)
    return event
