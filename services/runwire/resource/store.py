"""Store items in Postgres: the rows that a graph sees as its store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import orjson

from runwire.api.resource.v1.store_pb2 import FoundItem, Item, StoreNamespace
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import sql
from runwire.core.errors import ItemNotFound
from runwire.core.expiry import ItemExpiry
from runwire.core.pages import Page
from runwire.core.paging import Place
from runwire.core.postgres import Pool
from runwire.core.store_items import SQL as SHARED
from runwire.core.store_items import namespace_text, prefix_pattern, suffix_pattern
from runwire.resource.listing import Conditions, PageRequest, read_page

_TEXTS = sql.load(__file__)
_FILLED = {**SHARED, "columns": _TEXTS["columns"]}
_SQL = {name: text.format(**_FILLED) for name, text in _TEXTS.items()}


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison with a key of an item's value. `operator`: $eq $ne $gt $gte $lt $lte; `operand` is a JSON text."""

    key: str
    operator: str
    operand: str


@dataclass(frozen=True, slots=True)
class NamespaceFilter:
    """Which namespaces to list. `*` is any one label; a depth of 0 cuts nothing off."""

    prefix: Sequence[str]
    suffix: Sequence[str]
    max_depth: int

    def patterns(self) -> list[str]:
        """Regular expressions that a namespace's text matches all."""
        prefixes = [prefix_pattern(self.prefix)] if self.prefix else []
        return prefixes + ([suffix_pattern(self.suffix)] if self.suffix else [])


class _LatestChangeFirst:
    """The order of a search."""

    def after(self, place: Place, conditions: Conditions) -> None:
        text = "s.updated_at < $1 OR (s.updated_at = $1 AND (s.prefix, s.key) > ($2, $3))"
        conditions.add(text, place.key, *orjson.loads(place.row_id))

    def place_of(self, row: asyncpg.Record) -> Place:
        return Place(row["updated_at"], orjson.dumps([row["prefix"], row["key"]]).decode())

    def __str__(self) -> str:
        return "s.updated_at DESC, s.prefix, s.key"


class _ByLabels:
    """The order of namespaces: label by label, bytewise."""

    def after(self, place: Place, conditions: Conditions) -> None:
        conditions.add('n.namespace COLLATE "C" > $1::text[]', orjson.loads(place.row_id))

    def place_of(self, row: asyncpg.Record) -> Place:
        return Place(0, orjson.dumps(row["namespace"]).decode())

    def __str__(self) -> str:
        return 'n.namespace COLLATE "C"'


class Items:
    """Reads and writes items, a tenant's at a time."""

    def __init__(self, pool: Pool, expiry: ItemExpiry) -> None:
        self._pool = pool
        self._expiry = expiry

    async def put(self, tenant: str, namespace: Sequence[str], key: str, value: str, ttl: timedelta | None) -> Item:
        """Writes an item; `value` is a JSON text. Without a time to live it gets the default one."""
        ttl = ttl or self._expiry.duration
        minutes = ttl / timedelta(minutes=1) if ttl else None
        row = await self._pool.fetchrow(_SQL["put_item"], tenant, namespace_text(namespace), key, value, minutes)
        return _item(row)

    async def get(self, tenant: str, namespace: Sequence[str], key: str, *, refresh: bool | None) -> Item:
        """Raises ItemNotFound."""
        row = await self._pool.fetchrow(
            _SQL["get_item"], tenant, namespace_text(namespace), key, self._refreshes(refresh)
        )
        if row is None:
            raise ItemNotFound()
        return _item(row)

    async def delete(self, tenant: str, namespace: Sequence[str], key: str) -> None:
        """Deletes an item, if it is there."""
        await self._pool.execute(_SQL["delete_item"], tenant, namespace_text(namespace), key)

    async def search(
        self,
        tenant: str,
        prefix: Sequence[str],
        wanted: Sequence[Condition],
        request: PageRequest,
        *,
        refresh: bool | None,
    ) -> Page[FoundItem]:
        """One page of the items at a namespace and below it that fulfil all conditions, the latest change first."""
        conditions = Conditions()
        conditions.add(
            SHARED["found"],
            tenant,
            namespace_text(prefix) if prefix else None,
            [condition.key for condition in wanted],
            [condition.operator for condition in wanted],
            [condition.operand for condition in wanted],
        )
        page = await read_page(self._pool, _SQL["search_items"], conditions, _LatestChangeFirst(), request, _found)
        if self._refreshes(refresh):
            await self._renew(tenant, [found.item for found in page.messages])
        return page

    async def _renew(self, tenant: str, items: Sequence[Item]) -> None:
        mortal = {(namespace_text(item.namespace), item.key): item for item in items if item.HasField("expire_time")}
        if not mortal:
            return
        columns = [list(column) for column in zip(*mortal, strict=True)]
        for row in await self._pool.fetch(_SQL["renew_items"], tenant, *columns):
            mortal[row["prefix"], row["key"]].expire_time = row["expires_at"]

    async def namespaces(self, tenant: str, wanted: NamespaceFilter, request: PageRequest) -> Page[StoreNamespace]:
        """One page of the namespaces that hold items, in order."""
        conditions = Conditions(tenant, wanted.patterns(), wanted.max_depth or None)
        return await read_page(self._pool, _SQL["list_namespaces"], conditions, _ByLabels(), request, _namespace)

    def _refreshes(self, asked: bool | None) -> bool:
        return self._expiry.refresh_on_read if asked is None else asked


def _item(row: asyncpg.Record) -> Item:
    return Item(
        namespace=row["prefix"].split("."),
        key=row["key"],
        value=Json(text=row["value"]),
        create_time=row["created_at"],
        update_time=row["updated_at"],
        expire_time=row["expires_at"],
    )


def _found(row: asyncpg.Record) -> FoundItem:
    return FoundItem(item=_item(row))


def _namespace(row: asyncpg.Record) -> StoreNamespace:
    return StoreNamespace(labels=row["namespace"])
