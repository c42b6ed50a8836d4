"""StoreService: checks requests and calls the repository."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.resource.v1 import store_pb2_grpc
from runwire.api.resource.v1.store_pb2 import (
    DeleteItemRequest,
    DeleteItemResponse,
    GetItemRequest,
    GetItemResponse,
    ListNamespacesRequest,
    ListNamespacesResponse,
    PutItemRequest,
    PutItemResponse,
    SearchItemsRequest,
    SearchItemsResponse,
)
from runwire.core.identity import callers_tenant
from runwire.resource import store_requests
from runwire.resource.store import Items

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class StoreServicer(store_pb2_grpc.StoreServiceServicer):
    """Items and their namespaces."""

    def __init__(self, items: Items) -> None:
        self._items = items

    async def PutItem(self, request: PutItemRequest, context: Context) -> PutItemResponse:
        """Writes an item, whole."""
        store_requests.check_put(request)
        item = await self._items.put(
            callers_tenant(), request.namespace, request.key, request.value.text, store_requests.ttl(request)
        )
        return PutItemResponse(item=item)

    async def GetItem(self, request: GetItemRequest, context: Context) -> GetItemResponse:
        """An item."""
        store_requests.check_item(request)
        item = await self._items.get(callers_tenant(), request.namespace, request.key, refresh=_refresh(request))
        return GetItemResponse(item=item)

    async def DeleteItem(self, request: DeleteItemRequest, context: Context) -> DeleteItemResponse:
        """Deletes an item, if it is there."""
        store_requests.check_item(request)
        await self._items.delete(callers_tenant(), request.namespace, request.key)
        return DeleteItemResponse()

    async def SearchItems(self, request: SearchItemsRequest, context: Context) -> SearchItemsResponse:
        """A page of items, the latest change first."""
        wanted, page_request = store_requests.search(request)
        page = await self._items.search(
            callers_tenant(), request.namespace_prefix, wanted, page_request, refresh=_refresh(request)
        )
        return SearchItemsResponse(items=page.messages, next_page_token=page.next_page_token)

    async def ListNamespaces(self, request: ListNamespacesRequest, context: Context) -> ListNamespacesResponse:
        """A page of the namespaces that hold items."""
        page = await self._items.namespaces(callers_tenant(), *store_requests.namespaces(request))
        return ListNamespacesResponse(namespaces=page.messages, next_page_token=page.next_page_token)


def _refresh(request: GetItemRequest | SearchItemsRequest) -> bool | None:
    return request.refresh_ttl if request.HasField("refresh_ttl") else None
