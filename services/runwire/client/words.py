"""What callers write: the options of a run and their parts, in langgraph_sdk's words where the concept is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Required, TypeAlias, TypedDict

if TYPE_CHECKING:
    from runwire.client.results import CheckpointRef, MultitaskStrategy

StreamMode: TypeAlias = Literal["values", "updates", "messages", "custom", "tasks", "checkpoints", "debug"]
Durability: TypeAlias = Literal["sync", "async", "exit"]
SortOrder: TypeAlias = Literal["ascending", "descending"]
IfExists: TypeAlias = Literal["fail", "keep"]
View: TypeAlias = Literal["basic", "full"]


class Config(TypedDict, total=False):
    """Settings of one execution, as LangGraph's RunnableConfig has them."""

    tags: Sequence[str]
    recursion_limit: int
    configurable: Mapping[str, Any]


class Send(TypedDict, total=False):
    """A node to go to and, unless it shall see the graph's state, its input."""

    node: Required[str]
    input: Any


class Command(TypedDict, total=False):
    """Goes on with a paused graph, or steers it. With several interrupts, `resume` maps interrupt ids to answers."""

    resume: Any
    update: Mapping[str, Any]
    goto: str | Send | Sequence[str | Send]


class Webhook(TypedDict, total=False):
    """Who is told that the run has ended."""

    url: Required[str]
    headers: Mapping[str, str]


class StateUpdate(TypedDict, total=False):
    """One write to a thread's state, as if the node `as_node` had returned `values`."""

    values: Mapping[str, Any] | None
    as_node: str


class RunOptions(TypedDict, total=False):
    """How a graph is run. What is left out, or None, has the server's default (see CreateRunRequest in protos/)."""

    run_id: str | None
    """A UUID. By default the client makes one, so that it may safely repeat the call."""
    input: Any
    """The graph's input. Without input and command the graph goes on from its last checkpoint."""
    command: Command | None
    """Goes on with a paused graph. Excludes `input`."""
    config: Config | None
    context: Mapping[str, Any] | None
    metadata: Mapping[str, Any] | None
    checkpoint: CheckpointRef | str | None
    """Start from this checkpoint (or the one with this id) and not from the thread's head."""
    interrupt_before: Literal["*"] | Sequence[str] | None
    interrupt_after: Literal["*"] | Sequence[str] | None
    stream_mode: StreamMode | Sequence[StreamMode] | None
    """What the run emits. Default: "values"."""
    stream_subgraphs: bool
    durability: Durability | None
    multitask_strategy: MultitaskStrategy | None
    if_not_exists: Literal["create", "reject"] | None
    """What to do when the thread does not exist. Default: "reject"."""
    after_seconds: float | timedelta | None
    """Do not start before this much time has passed."""
    on_completion: Literal["delete", "keep"] | None
    """What happens to the state of a run without a thread. Default: "delete"."""
    run_timeout: float | timedelta | None
    """Seconds of one attempt until the run is stopped, with status "timeout"."""
    webhook: str | Webhook | None
    event_log: Literal["on", "off"] | None


class RunRequest(RunOptions, total=False):
    """A run to create, as one value: the arguments of `runs.create`."""

    assistant_id: Required[str]
    thread_id: str | None
