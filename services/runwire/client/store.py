"""Store: items that outlive threads, the same that graphs see as their store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from runwire.api.resource.v1 import store_pb2 as pb
from runwire.api.resource.v1.store_pb2_grpc import StoreServiceStub
from runwire.client.codec import decode, encode
from runwire.client.listing import Listing
from runwire.client.requests import conditions, no_number
from runwire.client.results import FoundItem, Item
from runwire.client.wire import Wire


class Store:
    """Items by namespace (a path of labels) and key."""

    def __init__(self, wire: Wire, stub: StoreServiceStub) -> None:
        self._wire = wire
        self._stub = stub

    async def put_item(
        self,
        namespace: Sequence[str],
        /,
        key: str,
        value: Mapping[str, Any],
        *,
        index: Literal[False] | Sequence[str] | None = None,
        ttl: timedelta | None = None,
    ) -> Item:
        """Writes an item, whole. `index`: what to search by meaning; False: nothing."""
        request = encode(
            pb.PutItemRequest,
            namespace=namespace,
            key=key,
            value=value,
            ttl=no_number(ttl),
            index={"off": True} if index is False else None if index is None else {"paths": index},
        )
        return decode(Item, (await self._wire.unary(self._stub.PutItem, request)).item)

    async def get_item(self, namespace: Sequence[str], /, key: str, *, refresh_ttl: bool | None = None) -> Item:
        """One item. NotFound when there is none."""
        request = encode(pb.GetItemRequest, namespace=namespace, key=key, refresh_ttl=refresh_ttl)
        return decode(Item, (await self._wire.unary(self._stub.GetItem, request)).item)

    async def delete_item(self, namespace: Sequence[str], /, key: str) -> None:
        """Deletes an item, if there is one."""
        request = encode(pb.DeleteItemRequest, namespace=namespace, key=key)
        await self._wire.unary(self._stub.DeleteItem, request)

    def search_items(
        self,
        namespace_prefix: Sequence[str],
        /,
        *,
        filter: Mapping[str, Any] | None = None,
        query: str | None = None,
        limit: int | None = None,
        refresh_ttl: bool | None = None,
    ) -> Listing[FoundItem]:
        """Items below a namespace, the latest change first, or by meaning with `query`.

        `filter` compares top-level keys of the values: {"colour": "red", "size": {"$gte": 3, "$lt": 9}}. The operators
        are $eq, $ne, $gt, $gte, $lt and $lte.
        """
        request = encode(
            pb.SearchItemsRequest,
            namespace_prefix=namespace_prefix,
            conditions=conditions(filter),
            query=query,
            refresh_ttl=refresh_ttl,
        )
        return Listing[FoundItem](
            self._wire,
            self._stub.SearchItems,
            request,
            limit=limit,
        )

    def list_namespaces(
        self,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
        max_depth: int = 0,
        *,
        limit: int | None = None,
    ) -> Listing[tuple[str, ...]]:
        """The namespaces that hold items, cut after `max_depth` labels. "*" stands for any one label."""
        request = encode(pb.ListNamespacesRequest, prefix=prefix, suffix=suffix, max_depth=max_depth)
        return Listing[tuple[str, ...]](
            self._wire,
            self._stub.ListNamespaces,
            request,
            limit=limit,
        )
