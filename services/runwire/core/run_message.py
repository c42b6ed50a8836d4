"""A row of `runs` as the message that every service sends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CancelAction, MultitaskStrategy, Run, RunError, RunStatus

RUN_COLUMNS = [
    "run_id",
    "thread_id",
    "assistant_id",
    "assistant_version",
    "graph_id",
    "status",
    "error_type",
    "error_message",
    "metadata",
    "multitask_strategy",
    "attempts",
    "cancel_action",
    "cron_id",
    "created_at",
    "due_at",
    "started_at",
    "finished_at",
]
"""What a statement must select for `run_message`."""


def _by_word(kind: Any, prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix).lower(): number for name, number in kind.items()}


STATUSES = _by_word(RunStatus, "RUN_STATUS_")
"""The enum's values by the words of the columns; likewise the two below."""

STRATEGIES = _by_word(MultitaskStrategy, "MULTITASK_STRATEGY_")
CANCEL_ACTIONS = _by_word(CancelAction, "CANCEL_ACTION_")


def run_message(row: asyncpg.Record) -> Run:
    """The message of a row that has at least RUN_COLUMNS."""
    run = Run(
        run_id=str(row["run_id"]),
        thread_id=row["thread_id"] or "",
        assistant_id=row["assistant_id"],
        assistant_version=row["assistant_version"],
        graph_id=row["graph_id"],
        status=STATUSES[row["status"]],
        metadata=Json(text=row["metadata"]),
        multitask_strategy=STRATEGIES[row["multitask_strategy"]],
        attempts=row["attempts"],
        cancel_requested=CANCEL_ACTIONS[row["cancel_action"] or "unspecified"],
        create_time=_timestamp(row["created_at"]),
        due_time=_timestamp(row["due_at"]),
        start_time=_timestamp(row["started_at"]),
        finish_time=_timestamp(row["finished_at"]),
        cron_id=row["cron_id"] or "",
    )
    if row["error_type"] is not None:
        run.error.CopyFrom(RunError(type=row["error_type"], message=row["error_message"] or ""))
    return run


def _timestamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
