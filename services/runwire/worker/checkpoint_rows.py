"""Checkpoints as rows and back: which value goes where, and in which bytes.

A channel's value lies in one of two places, as in langgraph-checkpoint-postgres: a short plain value inside
the checkpoint's JSON, everything else in checkpoint_blobs under the channel's version, so that an unchanged
value is stored once. Readers take the blob where there is one, so it is safe to put more values there than
that package does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from asyncpg import Record
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    PendingWrite,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import TASKS, _DeltaSnapshot

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.jsons import dumps
from runwire.worker.checkpoint_shapes import parse_checkpoint, parse_metadata, parse_value

# What langgraph takes for the name of a secret where it traces.
_SECRETS = ("key", "token", "secret", "password", "auth")

INLINE_TEXT_LIMIT = 1024
"""Characters. A longer text is stored once as a blob instead of in every checkpoint until it changes."""


class CheckpointValues(NamedTuple):
    """What put_checkpoint takes after the ids."""

    checkpoint: str
    metadata: str
    channels: list[str]
    versions: list[str]
    types: list[str]
    blobs: list[bytes | None]


class WriteValues(NamedTuple):
    """What put_writes takes after the ids."""

    positions: list[int]
    channels: list[str]
    types: list[str]
    blobs: list[bytes]


def encode_checkpoint(
    serde: SerializerProtocol,
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
) -> CheckpointValues:
    """Split a checkpoint into its row and its blobs."""
    inline: dict[str, Any] = {}
    blobs: list[tuple[str, str, str, bytes]] = []
    versions = {**checkpoint["channel_versions"], **new_versions}
    for channel, value in checkpoint["channel_values"].items():
        if isinstance(value, _DeltaSnapshot):
            inline[channel] = True
        elif _fits_inline(value) or (isinstance(value, str) and channel not in versions):
            inline[channel] = value
            continue
        # Another program may have stored a text of this version inline, without a blob.
        if channel in new_versions or isinstance(value, str):
            blobs.append((channel, str(versions[channel]), *serde.dumps_typed(value)))
    channels, blob_versions, types, data = _columns(blobs, 4)
    return CheckpointValues(
        dumps({**checkpoint, "channel_values": inline}),
        dumps(get_serializable_checkpoint_metadata(_without_secrets(config), metadata)),
        channels,
        blob_versions,
        types,
        data,
    )


def encode_writes(serde: SerializerProtocol, writes: Sequence[tuple[str, Any]]) -> WriteValues:
    """Number and serialize a task's writes; of several special ones of a kind the last counts.

    Special ones take no number from the others: those of a Command come again without them, and would be numbered anew.
    """
    rows: dict[int, tuple[int, str, str, bytes]] = {}
    for index, (channel, value) in enumerate(sorted(writes, key=lambda write: write[0] in WRITES_IDX_MAP)):
        position = WRITES_IDX_MAP.get(channel, index)
        rows[position] = (position, channel, *serde.dumps_typed(value))
    return WriteValues(*_columns(rows.values(), 4))


def decode_checkpoint(serde: SerializerProtocol, keys: ThreadKeys, row: Record, first_version: str) -> CheckpointTuple:
    """Build the tuple that langgraph reads.

    `first_version` becomes that of sends in the old format where no channel has a version. Raises UnreadableState.
    """
    checkpoint = parse_checkpoint(row["checkpoint"])
    values = dict(checkpoint.get("channel_values") or {})
    for channel, type_, blob in _zipped(row, "blob_channels", "blob_types", "blobs"):
        values[channel] = serde.loads_typed((type_, blob))
    if row["sends"]:
        versions = checkpoint["channel_versions"]
        values[TASKS] = [serde.loads_typed(sent) for sent in _zipped(row, "send_types", "sends")]
        versions[TASKS] = max(versions.values()) if versions else first_version
    checkpoint["channel_values"] = values
    thread_id, namespace = keys.plain(row["thread_id"]), row["checkpoint_ns"]
    parent_id = row["parent_checkpoint_id"]
    return CheckpointTuple(
        config=config_of(thread_id, namespace, row["checkpoint_id"]),
        checkpoint=cast(Checkpoint, checkpoint),
        metadata=cast(CheckpointMetadata, parse_metadata(row["metadata"])),
        parent_config=config_of(thread_id, namespace, parent_id) if parent_id else None,
        pending_writes=[
            (task_id, channel, serde.loads_typed((type_, blob)))
            for task_id, channel, type_, blob in _zipped(row, "write_tasks", "write_channels", "write_types", "writes")
        ],
    )


def decode_history(
    serde: SerializerProtocol, channels: Sequence[str], rows: Iterable[Record]
) -> Mapping[str, DeltaChannelHistory]:
    """Sort the rows of delta_history by channel. Raises UnreadableState."""
    writes: dict[str, list[PendingWrite]] = {channel: [] for channel in channels}
    seeds: dict[str, Any] = {}
    for row in rows:
        channel = row["channel"]
        if not row["is_seed"]:
            writes[channel].append((row["task_id"], channel, serde.loads_typed((row["type"], row["blob"]))))
        elif row["type"] is not None:
            seeds[channel] = serde.loads_typed((row["type"], row["blob"]))
        else:
            seeds[channel] = parse_value(row["inline"])
    return {
        channel: {"writes": found, "seed": seeds[channel]} if channel in seeds else {"writes": found}
        for channel, found in writes.items()
    }


def config_of(thread_id: object, namespace: str, checkpoint_id: str) -> RunnableConfig:
    """The config that names one checkpoint."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}}


def filter_text(filter: Mapping[str, Any] | None) -> str | None:
    """A metadata filter as the JSON that the metadata has to contain."""
    return dumps(filter) if filter else None


def _without_secrets(config: RunnableConfig) -> RunnableConfig:
    """The config whose plain values become metadata, which more people read than those who may know a key."""
    given = config.get("configurable", {})
    plain = {key: value for key, value in given.items() if not any(word in key.lower() for word in _SECRETS)}
    return {**config, "configurable": plain}


def _fits_inline(value: Any) -> bool:
    """Whether JSON in a jsonb column gives back exactly this value."""
    if value is None or type(value) in (bool, int):
        return True
    if type(value) is float:
        # jsonb keeps a number as a decimal: no infinity, no negative zero, and 1e22 comes back an integer.
        return math.isfinite(value) and "e+" not in repr(value) and repr(value) != "-0.0"
    if type(value) is not str or len(value) > INLINE_TEXT_LIMIT:
        return False
    return "\x00" not in value and not any("\ud800" <= c <= "\udfff" for c in value)


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def _zipped(row: Record, *names: str) -> Iterable[tuple[Any, ...]]:
    """The rows of an aggregated side table; a null aggregate has none."""
    return zip(*(row[name] or () for name in names), strict=True)
