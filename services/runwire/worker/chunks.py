"""LangGraph's stream chunks as typed events: one function a stream mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, BaseMessageChunk
from langgraph.pregel import Pregel

from runwire.api.stream.v1 import stream_pb2 as pb
from runwire.api.type.v1.run_pb2 import CheckpointRef, StreamMode
from runwire.worker.events import RunEvents, json_message
from runwire.worker.interrupts import message_of

INTERRUPT = "__interrupt__"

_PLACES = frozenset(("thread_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map", "run_id"))

MODES: Mapping[int, str] = {
    StreamMode.STREAM_MODE_VALUES: "values",
    StreamMode.STREAM_MODE_UPDATES: "updates",
    StreamMode.STREAM_MODE_MESSAGES: "messages",
    StreamMode.STREAM_MODE_CUSTOM: "custom",
    StreamMode.STREAM_MODE_TASKS: "tasks",
    StreamMode.STREAM_MODE_CHECKPOINTS: "checkpoints",
    StreamMode.STREAM_MODE_DEBUG: "debug",
}
"""Our stream modes in LangGraph's words."""

Namespace = Sequence[str]


class Chunks:
    """Turns the chunks of one run into events. It remembers which messages have been introduced."""

    def __init__(self, events: RunEvents) -> None:
        self._events = events
        self._introduced: set[str] = set()
        self._by_mode: Mapping[str, Callable[[Namespace, Any], None]] = {
            "values": self._values,
            "updates": self._updates,
            "messages": self._message,
            "custom": self._custom,
            "tasks": self._task,
            "checkpoints": self._checkpoint,
            "debug": self._debug,
        }

    def emit(self, mode: str, namespace: Namespace, chunk: Any) -> None:
        """Sends the events of one chunk."""
        self._by_mode[mode](namespace, chunk)

    def _values(self, namespace: Namespace, chunk: Any) -> None:
        if shows_values(chunk):
            self._events.emit("values", pb.Values(values=json_message(without_interrupts(chunk))), namespace)

    def _updates(self, namespace: Namespace, chunk: Mapping[str, Any]) -> None:
        for node, update in chunk.items():
            if node != INTERRUPT:
                self._events.emit("update", pb.Update(node=node, update=json_message(update)), namespace)

    def _custom(self, namespace: Namespace, chunk: Any) -> None:
        self._events.emit("custom", pb.Custom(data=json_message(chunk)), namespace)

    def _message(self, namespace: Namespace, chunk: tuple[BaseMessage, Mapping[str, Any]]) -> None:
        message, metadata = chunk
        message_id = message.id or ""
        piece = pb.MessageChunk(message_id=message_id, complete=not isinstance(message, BaseMessageChunk))
        if isinstance(message.content, str) and _is_text_only(message):
            piece.delta = message.content
        else:
            piece.chunk.CopyFrom(json_message(message))
        if message_id not in self._introduced:
            self._introduced.add(message_id)
            piece.message_type = message.type.removesuffix("MessageChunk").lower()
            piece.metadata.CopyFrom(json_message(metadata))
        self._events.emit("message", piece, namespace)

    def _task(self, namespace: Namespace, chunk: Mapping[str, Any]) -> None:
        if "input" in chunk:
            started = pb.TaskStarted(
                task_id=chunk["id"],
                node=chunk["name"],
                input=json_message(chunk["input"]),
                triggers=[str(trigger) for trigger in chunk["triggers"]],
            )
            self._events.emit("task_started", started, namespace)
            return
        finished = pb.TaskFinished(
            task_id=chunk["id"],
            node=chunk["name"],
            error=str(chunk["error"] or ""),
            interrupts=[message_of(**_interrupt(each)) for each in chunk["interrupts"]],
        )
        if not chunk["error"]:
            finished.result.CopyFrom(json_message(chunk["result"]))
        self._events.emit("task_finished", finished, namespace)

    def _checkpoint(self, namespace: Namespace, chunk: Mapping[str, Any]) -> None:
        checkpoint = pb.Checkpoint(
            next=chunk["next"], values=json_message(chunk["values"]), metadata=json_message(chunk["metadata"])
        )
        if ref := checkpoint_ref(chunk["config"]):
            checkpoint.ref.CopyFrom(ref)
        if parent := checkpoint_ref(chunk["parent_config"]):
            checkpoint.parent.CopyFrom(parent)
        self._events.emit("checkpoint", checkpoint, namespace)

    def _debug(self, namespace: Namespace, chunk: Mapping[str, Any]) -> None:
        payload = {**chunk["payload"]}
        for name in ("config", "parent_config"):
            if name in payload:
                payload[name] = _place(payload[name])
        debug = pb.Debug(type=chunk["type"], step=chunk["step"], data=json_message(payload))
        self._events.emit("debug", debug, namespace)


def is_function(graph: Pregel[Any, Any, Any, Any]) -> bool:
    """Whether a graph is an entrypoint function: its state is what it returned, of any type."""
    return isinstance(graph.output_channels, str)


def shows_values(chunk: Any) -> bool:
    """Whether a chunk of mode "values" has any. A function that pauses has none to show: it returns them at its end."""
    return not isinstance(chunk, dict) or chunk.keys() != {INTERRUPT}


def without_interrupts(values: Any) -> Any:
    """State values without the interrupts that LangGraph puts among them."""
    if isinstance(values, dict) and INTERRUPT in values:
        return {key: value for key, value in values.items() if key != INTERRUPT}
    return values


def checkpoint_ref(config: Mapping[str, Any] | None) -> CheckpointRef | None:
    """The checkpoint that a config names."""
    at = (config or {}).get("configurable", {})
    if not at.get("checkpoint_id"):
        return None
    return CheckpointRef(checkpoint_id=at["checkpoint_id"], checkpoint_ns=at.get("checkpoint_ns", ""))


def _place(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a config says of a checkpoint's place. The rest is the caller's, who may have put secrets there."""
    if config is None:
        return None
    return {"configurable": {key: value for key, value in config.get("configurable", {}).items() if key in _PLACES}}


def _is_text_only(message: BaseMessage) -> bool:
    """Whether a message's text is all there is to it."""
    return not (
        getattr(message, "tool_call_chunks", None)
        or getattr(message, "tool_calls", None)
        or getattr(message, "tool_call_id", None)
        or getattr(message, "usage_metadata", None)
        or message.additional_kwargs
        or message.response_metadata
    )


def _interrupt(shown: Any) -> dict[str, Any]:
    """What a task's event shows of an interrupt: a mapping or LangGraph's own object."""
    found = (
        shown
        if isinstance(shown, Mapping)
        else {name: getattr(shown, name) for name in ("id", "value", "response_schema")}
    )
    return {"interrupt_id": found["id"], "value": found["value"], "response_schema": found.get("response_schema")}
