"""The requests that take more than naming their fields."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.resource.v1 import store_pb2
from runwire.api.type.v1 import run_pb2
from runwire.client.codec import encode, json_of, plain, reads
from runwire.client.results import CheckpointRef, ThreadTtl
from runwire.client.words import Command, RunOptions, RunRequest, Send, StreamMode

T = TypeVar("T")

# The options whose names are langgraph_sdk's and not the contract's.
_NAMES = {"stream_mode": "stream_modes", "if_not_exists": "if_thread_missing", "after_seconds": "start_delay"}
_OPERATORS = {
    "$eq": "equal",
    "$ne": "not_equal",
    "$gt": "greater",
    "$gte": "greater_or_equal",
    "$lt": "less",
    "$lte": "less_or_equal",
}


def new_id() -> str:
    """A UUIDv7. The client chooses the ids of what it creates: so it may repeat a call whose answer was lost."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    bits = milliseconds << 80 | random
    return str(UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))


def create_run(thread_id: str | None, assistant_id: str, options: RunOptions) -> runs_pb2.CreateRunRequest:
    """A request with a run id."""
    return run_request(thread_id, assistant_id, {**options, "run_id": options.get("run_id") or new_id()})


def run_request(thread_id: str | None, assistant_id: str, options: RunOptions) -> runs_pb2.CreateRunRequest:
    """A request in the contract's words. ValueError when `input` and `command` are both there."""
    given: dict[str, Any] = {_NAMES.get(name, name): value for name, value in options.items()}
    if given.get("input") is not None and given.get("command") is not None:
        raise ValueError("input and command exclude each other")
    for name, convert in _CONVERSIONS.items():
        if given.get(name) is not None:
            given[name] = convert(given[name])
    return encode(runs_pb2.CreateRunRequest, thread_id=thread_id, assistant_id=assistant_id, **given)


def request_of(payload: RunRequest) -> runs_pb2.CreateRunRequest:
    """A request out of one value."""
    options: dict[str, Any] = {**payload}
    thread_id, assistant_id = options.pop("thread_id", None), options.pop("assistant_id")
    return run_request(thread_id, assistant_id, cast(RunOptions, options))


@reads(runs_pb2.CreateRunRequest)
def _stored_request(message: runs_pb2.CreateRunRequest) -> RunRequest:
    names = {theirs: ours for ours, theirs in _NAMES.items()}
    return cast(RunRequest, {names.get(name, name): value for name, value in plain(message).items()})


@reads(store_pb2.StoreNamespace)
def _labels(message: store_pb2.StoreNamespace) -> tuple[str, ...]:
    return tuple(message.labels)


@reads(run_pb2.Breakpoints)
def _stored_breakpoints(message: run_pb2.Breakpoints) -> str | tuple[str, ...]:
    return "*" if message.all_nodes else tuple(message.nodes)


def modes(stream_mode: StreamMode | Sequence[StreamMode]) -> Sequence[StreamMode]:
    """One mode or several."""
    return [stream_mode] if isinstance(stream_mode, str) else stream_mode


def checkpoint_ref(checkpoint: CheckpointRef | str | None) -> CheckpointRef | None:
    """A text is a checkpoint's id."""
    return CheckpointRef(checkpoint) if isinstance(checkpoint, str) else checkpoint


def thread_ttl(ttl: ThreadTtl | timedelta | None) -> ThreadTtl | None:
    """A bare duration means that the thread is deleted then."""
    ttl = no_number(ttl)
    return ThreadTtl(ttl) if isinstance(ttl, timedelta) else ttl


def no_number(ttl: T) -> T:
    """A time to live that is no bare number: those of langgraph_sdk are minutes, and Python's are seconds."""
    if isinstance(ttl, int | float):
        raise TypeError(f"ttl is a timedelta, not a number: timedelta(minutes={ttl}) for langgraph_sdk's")
    return ttl


def conditions(filter: Mapping[str, Any] | None) -> list[store_pb2.ItemCondition]:
    """LangGraph's filters: {"key": value}, or {"key": {"$gt": value, ...}}."""
    return [
        encode(store_pb2.ItemCondition, key=key, operator=operator, operand=json_of(operand))
        for key, value in (filter or {}).items()
        for operator, operand in _comparisons(value)
    ]


def _comparisons(value: object) -> Iterable[tuple[str, object]]:
    if isinstance(value, Mapping) and value and all(name in _OPERATORS for name in value):
        return [(_OPERATORS[name], operand) for name, operand in value.items()]
    return [("equal", value)]


def _command(command: Command) -> run_pb2.Command:
    # A key that is there with None is a JSON null, which is an answer.
    resume = json_of(command["resume"]) if "resume" in command else None
    goto = command.get("goto", ())
    targets = [goto] if isinstance(goto, str | Mapping) else goto
    return encode(run_pb2.Command, resume=resume, update=command.get("update"), goto=[_goto(each) for each in targets])


def _goto(target: str | Send) -> run_pb2.Goto:
    if isinstance(target, str):
        return run_pb2.Goto(node=target)
    return encode(run_pb2.Goto, node=target["node"], input=json_of(target["input"]) if "input" in target else None)


def _breakpoints(nodes: str | Sequence[str]) -> dict[str, Any]:
    return {"all_nodes": True} if nodes == "*" else {"nodes": nodes}


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "command": _command,
    "checkpoint": checkpoint_ref,
    "interrupt_before": _breakpoints,
    "interrupt_after": _breakpoints,
    "stream_modes": modes,
    "webhook": lambda webhook: {"url": webhook} if isinstance(webhook, str) else webhook,
}
