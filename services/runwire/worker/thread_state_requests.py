"""Claimed requests of the state lane, and what can be said against one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.core.postgres import is_transient
from runwire.worker.fence import StorageUnavailable

_log = logging.getLogger(__name__)

_PLACES = frozenset(("thread_id", "run_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRequest:
    """A request that this lane holds: `request` is the serialized RPC request, `patience` what is left of its time."""

    request_id: UUID
    claim: int
    tenant: str
    thread_id: str
    graph_id: str
    kind: str
    request: bytes
    patience: timedelta
    last_run_request: bytes | None

    def config(self, ref: CheckpointRef | None = None) -> Any:
        """The RunnableConfig for a checkpoint of the thread, or for its head: as its last run had it."""
        configurable: dict[str, Any] = {"thread_id": self.thread_id, "graph_id": self.graph_id}
        if ref is not None and ref.checkpoint_ns:
            configurable["checkpoint_ns"] = ref.checkpoint_ns
        if ref is not None and ref.checkpoint_id:
            configurable["checkpoint_id"] = ref.checkpoint_id
        return {"configurable": {**self._last_configurable(), **configurable}, "metadata": {}}

    def _last_configurable(self) -> dict[str, Any]:
        request = CreateRunRequest.FromString(self.last_run_request or b"")
        if not request.config.HasField("configurable"):
            return {}
        given: dict[str, Any] = orjson.loads(request.config.configurable.text)
        return {key: value for key, value in given.items() if key not in _PLACES}


class RequestRefused(Exception):
    """The request can't be fulfilled: an ErrorReason without its prefix, and what goes with it."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.text = text


@contextmanager
def reading(claimed: ClaimedRequest) -> Iterator[None]:
    """Around what langgraph makes of a stored state. What fails there is refused: the state is not fit to be read."""
    try:
        yield
    except (RequestRefused, StorageUnavailable, asyncpg.PostgresError):
        raise
    except Exception as error:
        if is_transient(error):
            raise
        words = {"action": "state_unreadable", "thread_id": claimed.thread_id}
        _log.warning("stored state unreadable", exc_info=error, extra=words)
        raise RequestRefused("STATE_UNREADABLE", type(error).__name__) from error


def checkpoint_not_found(ref: CheckpointRef) -> RequestRefused:
    """There is no such checkpoint."""
    return RequestRefused("CHECKPOINT_NOT_FOUND", ref.checkpoint_id or ref.checkpoint_ns)
