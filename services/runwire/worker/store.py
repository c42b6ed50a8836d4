"""The store: what graphs remember across threads. A batch's gets are one statement, and so are its writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from runwire.core.expiry import Expiry
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.jsons import dumps
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.core.sql import load
from runwire.core.store_items import SQL as SHARED
from runwire.core.store_items import namespace_text
from runwire.worker.checkpoint_bridge import LoopBridge
from runwire.worker.checkpoint_pool import RetryingPool
from runwire.worker.store_queries import conditions, namespace_patterns

SQL = {name: text.format(**SHARED) for name, text in load(__file__).items()}


class RunwireStore(BaseStore):
    """One tenant's store on an asyncpg pool.

    A batch reads what was there before it: its writes come last, and they all happen or none. Transient
    Postgres errors are retried for `retry_for` seconds. Make it inside the event loop that the pool belongs
    to; `batch` serves other threads and hands over to that loop. There is no search by meaning: a `query` ranks
    nothing, as in LangGraph's own stores without an index, and the latest change comes first.
    """

    supports_ttl = True

    def __init__(
        self,
        pool: Pool,
        *,
        tenant: str = DEFAULT_TENANT,
        ttl: TTLConfig | None = None,
        retry_for: float = 20.0,
        acquire_timeout: float = 10.0,
    ) -> None:
        self._pool = RetryingPool(pool, retry_for=retry_for, acquire_timeout=acquire_timeout)
        self._bridge = LoopBridge()
        self._tenant = tenant
        self.ttl_config = ttl

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return self._bridge.wait(self.abatch(ops))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        ops = list(ops)
        for op in ops:
            validate_op_namespace(op)
        results: list[Result] = [None] * len(ops)
        if gets := {index: op for index, op in enumerate(ops) if isinstance(op, GetOp)}:
            await self._get(gets, results)
        for index, op in enumerate(ops):
            if isinstance(op, SearchOp):
                results[index] = await self._search(op)
            elif isinstance(op, ListNamespacesOp):
                results[index] = await self._list_namespaces(op)
        if puts := {(namespace_text(op.namespace), op.key): op for op in ops if isinstance(op, PutOp)}:
            await self._write(puts)
        return results

    async def sweep_expired(self, limit: int = 1000) -> int:
        """Remove up to `limit` items past their time, of every tenant; returns how many were removed."""
        return int(await self._pool.value(SHARED["sweep_expired"], limit))

    async def _get(self, gets: dict[int, GetOp], results: list[Result]) -> None:
        places = list(gets)
        rows = await self._pool.rows(
            SQL["get_items"],
            self._tenant,
            [namespace_text(op.namespace) for op in gets.values()],
            [op.key for op in gets.values()],
            [op.refresh_ttl for op in gets.values()],
        )
        for row in rows:
            results[places[row["position"] - 1]] = Item(**_item_values(row))

    async def _search(self, op: SearchOp) -> list[SearchItem]:
        rows = await self._pool.rows(
            SQL["search_items"],
            self._tenant,
            namespace_text(op.namespace_prefix) if op.namespace_prefix else None,
            *conditions(op.filter),
            op.limit,
            op.offset,
            op.refresh_ttl,
        )
        return [SearchItem(**_item_values(row)) for row in rows]

    async def _list_namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        patterns = namespace_patterns(op.match_conditions or ())
        rows = await self._pool.rows(SQL["list_namespaces"], self._tenant, patterns, op.max_depth, op.limit, op.offset)
        return [tuple(row["namespace"]) for row in rows]

    async def _write(self, puts: dict[tuple[str, str], PutOp]) -> None:
        # Batches that lock items in one order can't deadlock one another.
        ordered = sorted(puts.items())
        stored = [(place, op) for place, op in ordered if op.value is not None]
        removed = [place for place, op in ordered if op.value is None]
        await self._pool.value(
            SQL["write_items"],
            self._tenant,
            *_columns([place for place, _ in stored]),
            [dumps(op.value) for _, op in stored],
            [op.ttl for _, op in stored],
            *_columns(removed),
        )


def item_ttl(settings: Settings) -> TTLConfig:
    """How long the items of graphs live, as the langgraph.json says. Raises InvalidExpiry."""
    items = Expiry.read(settings.graphs).items
    return TTLConfig(default_ttl=items.default_ttl, refresh_on_read=items.refresh_on_read)


def _columns(places: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [prefix for prefix, _ in places], [key for _, key in places]


def _item_values(row: Any) -> dict[str, Any]:
    return {
        "namespace": tuple(row["prefix"].split(".")),
        "key": row["key"],
        "value": json.loads(row["value"]),
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
