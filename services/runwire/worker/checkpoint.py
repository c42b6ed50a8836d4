"""The checkpointer: langgraph's checkpoints in Postgres, one statement each, fenced by the run's claim."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.types import ERROR, INTERRUPT, RESUME

from runwire.core.checkpoint_threads import ThreadKeys
from runwire.core.postgres import Pool
from runwire.core.sql import load
from runwire.worker.checkpoint_bridge import LoopBridge
from runwire.worker.checkpoint_pool import RetryingPool
from runwire.worker.checkpoint_rows import (
    config_of,
    decode_checkpoint,
    decode_history,
    encode_checkpoint,
    encode_writes,
    filter_text,
)
from runwire.worker.checkpoint_upkeep import CheckpointUpkeep
from runwire.worker.command_writes import COMMAND_TASK, without_replaced
from runwire.worker.fence import Fence, StaleClaim
from runwire.worker.serde import strict_serde

SQL = load(__file__)


class RunwireSaver(BaseCheckpointSaver[str]):
    """Checkpoints of one tenant on an asyncpg pool, for any number of runs at once.

    `keys` say whose they are; without them they are the default tenant's.
    With a `fence`, every write raises StaleClaim and changes nothing once the run's claim was taken over or
    the run has ended. Transient Postgres errors are retried for `retry_for` seconds before they are raised.
    Make it inside the event loop that the pool belongs to; the synchronous methods serve other threads and
    hand over to that loop.
    """

    def __init__(
        self,
        pool: Pool | RetryingPool,
        *,
        fence: Fence | None = None,
        keys: ThreadKeys | None = None,
        serde: SerializerProtocol | None = None,
        retry_for: float = 20.0,
        acquire_timeout: float = 10.0,
    ) -> None:
        super().__init__(serde=serde or strict_serde())
        if not isinstance(pool, RetryingPool):
            pool = RetryingPool(pool, retry_for=retry_for, acquire_timeout=acquire_timeout)
        self.is_answered = False
        """Whether a task has taken the answer that a Command left for any of them. Another one would take it, too."""
        self.channels: Mapping[str, Any] = {}
        """The graph's, which tell what writes of Commands replace those before them."""
        self.replaced: set[str] = set()
        """The channels that the Command which is told next replaces, until something is written. Copies share it."""
        self._pool = pool
        self._bridge = LoopBridge()
        self._fence = fence
        self._fence_values = (fence.tenant, fence.run_id, fence.claim) if fence else (None, None, None)
        self._keys = keys or ThreadKeys()
        self._upkeep = CheckpointUpkeep(self._pool, self._keys, fence)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint as the child of the one that `config` names."""
        at = config["configurable"]
        namespace = at.get("checkpoint_ns", "")
        await self._write(
            SQL["put_checkpoint"],
            self._keys.stored(at["thread_id"]),
            namespace,
            checkpoint["id"],
            get_checkpoint_id(config),
            *encode_checkpoint(self.serde, config, checkpoint, metadata, new_versions),
        )
        return config_of(at["thread_id"], namespace, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote on top of a checkpoint."""
        at = config["configurable"]
        writes = _without_halves(writes)
        await self._write(
            SQL["put_writes"],
            self._keys.stored(at["thread_id"]),
            at.get("checkpoint_ns", ""),
            at["checkpoint_id"],
            task_id,
            task_path,
            *encode_writes(self.serde, writes),
        )

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names, or its thread's newest."""
        row = await self._pool.row(SQL["get_checkpoint"], *self._place(config))
        return self._decode(row) if row else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first; without a config those of all of the tenant's threads."""
        at = config["configurable"] if config else {}
        rows = await self._pool.rows(
            SQL["list_checkpoints"],
            self._keys.tenant,
            self._keys.stored(at["thread_id"]) if config else None,
            at.get("checkpoint_ns"),
            at.get("checkpoint_id") or None,
            get_checkpoint_id(before) if before else None,
            filter_text(filter),
            limit,
        )
        for row in rows:
            yield self._decode(row)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Of each channel, the nearest stored value before a checkpoint and the writes since."""
        if not channels:
            return {}
        rows = await self._pool.rows(SQL["delta_history"], *self._place(config), list(channels))
        return decode_history(self.serde, channels, rows)

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove all that is stored of a thread."""
        await self._upkeep.delete_threads([thread_id])

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the runs' checkpoints, but for those that later ones rebuild delta channels from."""
        await self._upkeep.delete_for_runs(run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its whole history."""
        await self._upkeep.copy_thread(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Reduce threads to their latest state (`keep_latest`) or to nothing (`delete`).

        Ancestors from which the latest state rebuilds its delta channels are kept. Raises ValueError for
        another strategy.
        """
        await self._upkeep.prune(thread_ids, strategy)

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A version that sorts after `current`; the random part keeps branches of one thread apart."""
        number = int(str(current).partition(".")[0]) if current is not None else 0
        return f"{number + 1:032}.{random.random():016}"

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._bridge.wait(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._bridge.wait(self.aput_writes(config, writes, task_id, task_path))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._bridge.wait(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        async def collect() -> tuple[CheckpointTuple, ...]:
            return tuple([found async for found in self.alist(config, filter=filter, before=before, limit=limit)])

        yield from self._bridge.wait(collect())

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._bridge.wait(self.aget_delta_channel_history(config=config, channels=channels))

    def delete_thread(self, thread_id: str) -> None:
        self._bridge.wait(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._bridge.wait(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._bridge.wait(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._bridge.wait(self.aprune(thread_ids, strategy=strategy))

    async def _write(self, statement: str, *values: Any) -> None:
        held = await self._pool.value(statement, *self._fence_values, *values)
        if self._fence and not held:
            raise StaleClaim(self._fence)
        self.replaced.clear()

    def _place(self, config: RunnableConfig) -> tuple[str, str, str | None]:
        at = config["configurable"]
        return (
            self._keys.stored(at["thread_id"]),
            at.get("checkpoint_ns", ""),
            get_checkpoint_id(config) or None,
        )

    def _decode(self, row: Any) -> CheckpointTuple:
        found = decode_checkpoint(self.serde, self._keys, row, self.get_next_version(None, None))
        writes = found.pending_writes or []
        if self.is_answered:
            # The row stays: a rollback takes from it what it replaced.
            writes = [write for write in writes if write[:2] != (COMMAND_TASK, RESUME)]
        if not row["checkpoint_ns"]:
            writes = without_replaced(writes, self.channels, self.replaced)
        return found._replace(pending_writes=writes)


def _without_halves(writes: Sequence[tuple[str, Any]]) -> Sequence[tuple[str, Any]]:
    """Of a task that was cancelled, nothing that it put out.

    It may have been about to write more, such as where the graph goes next; but LangGraph takes a task that has put out
    anything for done, and a run that is gone on with would end there.
    """
    if any(channel == ERROR and isinstance(value, asyncio.CancelledError) for channel, value in writes):
        return [write for write in writes if write[0] in (ERROR, INTERRUPT, RESUME)]
    return writes
