"""What the servers answer, as plain values.

Field by field these are the messages of the same names in the contract; protos/ is their manual. Times are aware
datetimes in UTC, user data is what `json` makes of it, and None stands for what is unset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2, thread_state_pb2, workers_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.client.codec import mirrors
from runwire.client.words import Config, RunRequest

JsonObject: TypeAlias = dict[str, Any]
RunStatus: TypeAlias = Literal["pending", "running", "success", "interrupted", "error", "timeout", "cancelled"]
ThreadStatus: TypeAlias = Literal["idle", "busy", "interrupted", "error"]
MultitaskStrategy: TypeAlias = Literal["enqueue", "reject", "interrupt", "rollback"]
CancelAction: TypeAlias = Literal["interrupt", "rollback"]
TtlStrategy: TypeAlias = Literal["delete", "keep_latest"]
WebhookDeliveryState: TypeAlias = Literal["pending", "delivered", "failed"]


@mirrors(run_pb2.RunError)
@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed: the exception's class and its text."""

    type: str
    message: str


@mirrors(run_pb2.Interrupt)
@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """What a graph handed out when it paused. `namespace`: the subgraph, outermost first."""

    interrupt_id: str
    value: Any = None
    namespace: tuple[str, ...] = ()
    response_schema: JsonObject | None = None


@mirrors(run_pb2.CheckpointRef)
@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """Names a checkpoint of a thread."""

    checkpoint_id: str
    checkpoint_ns: str = ""


@mirrors(run_pb2.Run)
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a graph. `finish_time` is set exactly when the status is final; `thread_id` may be ""."""

    run_id: str
    thread_id: str
    assistant_id: str
    assistant_version: int
    graph_id: str
    status: RunStatus
    attempts: int
    create_time: datetime
    error: RunError | None = None
    metadata: JsonObject = field(default_factory=dict)
    multitask_strategy: MultitaskStrategy = "enqueue"
    cancel_requested: CancelAction | None = None
    due_time: datetime | None = None
    start_time: datetime | None = None
    finish_time: datetime | None = None
    cron_id: str = ""


@mirrors(stream_pb2.WaitRunResponse)
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run at its end, with the graph's output and, if it paused, what it handed out."""

    run: Run
    output: Any = None
    interrupts: tuple[Interrupt, ...] = ()


@mirrors(runs_pb2.WebhookDelivery)
@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One webhook call that is owed, made or given up."""

    delivery_id: str
    run_id: str
    url: str
    state: WebhookDeliveryState
    attempts: int
    last_http_status: int
    last_error: str
    create_time: datetime
    next_attempt_time: datetime | None = None
    delivery_time: datetime | None = None


@mirrors(assistants_pb2.Assistant)
@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """A graph with settings, in its latest version."""

    assistant_id: str
    graph_id: str
    version: int
    name: str
    description: str
    create_time: datetime
    update_time: datetime
    is_default: bool
    config: Config = field(default_factory=lambda: Config())
    context: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)


@mirrors(assistants_pb2.AssistantVersion)
@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantVersion:
    """One version of an assistant."""

    assistant_id: str
    version: int
    graph_id: str
    name: str
    description: str
    create_time: datetime
    config: Config = field(default_factory=lambda: Config())
    context: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)


@mirrors(assistants_pb2.GraphNode)
@dataclass(frozen=True, slots=True, kw_only=True)
class GraphNode:
    """A node of the drawing."""

    node_id: str
    type: str
    data: Any = None


@mirrors(assistants_pb2.GraphEdge)
@dataclass(frozen=True, slots=True, kw_only=True)
class GraphEdge:
    """An edge of the drawing. `label` is the condition's."""

    source: str
    target: str
    conditional: bool
    label: str


@mirrors(assistants_pb2.GetAssistantGraphResponse)
@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The drawing of a graph."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]


@mirrors(assistants_pb2.GraphSchemas)
@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSchemas:
    """A graph's JSON schemas. None: the graph has none, or it can't be told."""

    input: JsonObject | None = None
    output: JsonObject | None = None
    state: JsonObject | None = None
    config: JsonObject | None = None
    context: JsonObject | None = None


@mirrors(assistants_pb2.Subgraph)
@dataclass(frozen=True, slots=True, kw_only=True)
class Subgraph:
    """A graph inside of the graph."""

    namespace: str
    schemas: GraphSchemas = GraphSchemas()


@mirrors(threads_pb2.ThreadTtl)
@dataclass(frozen=True, slots=True)
class ThreadTtl:
    """How long a thread lives after its last change, and what happens then."""

    duration: timedelta
    strategy: TtlStrategy = "delete"


@mirrors(threads_pb2.Thread)
@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """What runs share. `values` and `interrupts`, as of the last run's end, are there in the full view only."""

    thread_id: str
    status: ThreadStatus
    graph_id: str
    create_time: datetime
    update_time: datetime
    metadata: JsonObject = field(default_factory=dict)
    values: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    error: RunError | None = None
    state_update_time: datetime | None = None
    ttl: ThreadTtl | None = None
    expire_time: datetime | None = None


@mirrors(thread_state_pb2.StateTask)
@dataclass(frozen=True, slots=True, kw_only=True)
class StateTask:
    """A task of the next step. `state` is the subgraph's, where it was asked for."""

    task_id: str
    node: str
    error: str
    interrupts: tuple[Interrupt, ...] = ()
    checkpoint: CheckpointRef | None = None
    state: ThreadState | None = None
    result: Any = None


@mirrors(thread_state_pb2.ThreadState)
@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadState:
    """A graph's state at one checkpoint. `next` is empty when the graph has ended."""

    values: Any = None
    next: tuple[str, ...] = ()
    tasks: tuple[StateTask, ...] = ()
    checkpoint: CheckpointRef | None = None
    parent_checkpoint: CheckpointRef | None = None
    metadata: JsonObject = field(default_factory=dict)
    create_time: datetime | None = None
    interrupts: tuple[Interrupt, ...] = ()


@mirrors(crons_pb2.Cron)
@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A stored request and a schedule. `run` has the words of `runs.create_batch`."""

    cron_id: str
    schedule: str
    time_zone: str
    run: RunRequest
    enabled: bool
    create_time: datetime
    update_time: datetime
    missed_ticks: int
    end_time: datetime | None = None
    metadata: JsonObject = field(default_factory=dict)
    next_tick_time: datetime | None = None


@mirrors(store_pb2.Item)
@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A stored item."""

    namespace: tuple[str, ...]
    key: str
    value: JsonObject
    create_time: datetime
    update_time: datetime
    expire_time: datetime | None = None


@mirrors(store_pb2.FoundItem)
@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """An item, and how well it matches a query: 0 to 1."""

    item: Item
    score: float | None = None


@mirrors(workers_pb2.Worker)
@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker process and what it does now."""

    worker_id: str
    host: str
    version: str
    graph_ids: tuple[str, ...]
    slots: int
    running: int
    start_time: datetime
    heartbeat_time: datetime
    draining: bool
