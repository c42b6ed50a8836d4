"""LangGraph's snapshots as messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from langgraph.types import StateSnapshot

from runwire.api.dispatch.v1.thread_state_pb2 import StateTask, ThreadState
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.worker.chunks import checkpoint_ref
from runwire.worker.events import error_of, json_message
from runwire.worker.interrupts import Places, messages_of, places_in


def state_message(snapshot: StateSnapshot) -> ThreadState:
    """LangGraph's snapshot as a ThreadState; those of subgraphs as far as the snapshot has them."""
    return _state_message(snapshot, places_in(snapshot))


def _state_message(snapshot: StateSnapshot, places: Places) -> ThreadState:
    state = ThreadState(
        next=snapshot.next,
        tasks=[_task_message(task, places) for task in snapshot.tasks],
        interrupts=messages_of(snapshot.interrupts, places),
    )
    if ref := checkpoint_ref(snapshot.config):
        state.checkpoint.CopyFrom(ref)
        state.values.CopyFrom(json_message(snapshot.values))
        state.metadata.CopyFrom(json_message(snapshot.metadata))
    if parent := checkpoint_ref(snapshot.parent_config):
        state.parent_checkpoint.CopyFrom(parent)
    if snapshot.created_at:
        state.create_time.FromDatetime(datetime.fromisoformat(snapshot.created_at))
    return state


def _task_message(task: Any, places: Places) -> StateTask:
    message = StateTask(
        task_id=task.id,
        node=task.name,
        error=_error_text(task.error),
        interrupts=messages_of(task.interrupts, places),
    )
    if task.result is not None:
        message.result.CopyFrom(json_message(task.result))
    if isinstance(task.state, StateSnapshot):
        message.state.CopyFrom(_state_message(task.state, places))
        message.checkpoint.CopyFrom(_place(task.state.config))
    elif isinstance(task.state, Mapping):
        message.checkpoint.CopyFrom(_place(task.state))
    return message


def _place(config: Mapping[str, Any]) -> CheckpointRef:
    """A subgraph's place. Without an id it is the newest of its namespace."""
    at = config["configurable"]
    return CheckpointRef(checkpoint_id=at.get("checkpoint_id") or "", checkpoint_ns=at.get("checkpoint_ns", ""))


def _error_text(error: Any) -> str:
    if not error:
        return ""
    return error_of(error if isinstance(error, BaseException) else Exception(error))[1]
