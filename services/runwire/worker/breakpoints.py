"""Breakpoints that a run has reached, as its checkpoints tell them to an attempt after the one that paused there.

LangGraph pauses at a breakpoint only when it comes to it, and takes going on without input for leave to pass it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint
from langgraph.checkpoint.serde.types import INTERRUPT, TASKS
from langgraph.constants import TAG_HIDDEN
from langgraph.pregel import Pregel
from langgraph.types import StateSnapshot

from runwire.worker.graphs import Compiled

Nodes: TypeAlias = Literal["*"] | Sequence[str]


class Breakpoints:
    """Where a run pauses: at those of its request, or else of its graph, and at those of the graph's subgraphs.

    `sent_to` are the nodes that the run's Command names.
    """

    def __init__(self, graph: Compiled, before: Nodes | None, after: Nodes | None, sent_to: Iterable[str] = ()) -> None:
        self._graph = graph
        self._before = before or graph.interrupt_before_nodes
        self._after = after or graph.interrupt_after_nodes
        self._sent_to = frozenset(sent_to)
        found = ((name, below) for name, below in graph.get_subgraphs() if isinstance(below, Pregel))
        self._below = {name: Breakpoints(below, None, None) for name, below in found}

    @property
    def is_below(self) -> bool:
        """Whether subgraphs have any."""
        return any(self._below.values())

    def __bool__(self) -> bool:
        return bool(self._before or self._after or self.is_below)

    async def reached(self, saver: BaseCheckpointSaver[str], state: StateSnapshot, run_id: str) -> bool:
        """Whether `run_id` has paused at one of them, in its thread's newest state, and was not let on.

        What else of the state was cut off beside a subgraph's breakpoint goes on when the run is let on.
        """
        is_ours = (state.metadata or {}).get("run_id") == run_id
        if is_ours and (self._before or self._after) and await self._here(saver, state):
            return True
        for task in state.tasks:
            below = self._below.get(task.name)
            if below and isinstance(task.state, StateSnapshot) and await below.reached(saver, task.state, run_id):
                return True
        return False

    async def _here(self, saver: BaseCheckpointSaver[str], state: StateSnapshot) -> bool:
        head = await saver.aget_tuple(state.config)
        if head is None or not _has_news(head.checkpoint):
            return False
        if self._hits(self._before, state.next):
            return True
        if not self._after or head.metadata.get("source") != "loop":
            return False
        parent = await saver.aget_tuple(head.parent_config) if head.parent_config else None
        # The run would have paused at the first of these nodes, so those that ran before its last step do no harm here.
        ran = _ran_between(parent.checkpoint if parent else None, head.checkpoint)
        return self._hits(self._after, ran | self._sent_to)

    def _hits(self, breakpoints: Nodes, names: Iterable[str]) -> bool:
        if breakpoints != "*":
            return any(name in breakpoints for name in names)
        nodes = self._graph.nodes
        return any(name in nodes and TAG_HIDDEN not in (nodes[name].tags or ()) for name in names)


def _has_news(checkpoint: Checkpoint) -> bool:
    """Whether anything has changed since the graph was last let on, as LangGraph asks before it pauses."""
    passed = checkpoint["versions_seen"].get(INTERRUPT, {})
    versions: Mapping[str, Any] = checkpoint["channel_versions"]
    return any(version > passed.get(channel, type(version)()) for channel, version in versions.items())


def _ran_between(parent: Checkpoint | None, checkpoint: Checkpoint) -> set[str]:
    """The nodes that ran: those that have seen something new, and those that the parent sends something to."""
    seen = parent["versions_seen"] if parent else {}
    sends = parent["channel_values"].get(TASKS, ()) if parent else ()
    ran = {name for name, versions in checkpoint["versions_seen"].items() if versions != seen.get(name)}
    return ran | {send.node for send in sends}
