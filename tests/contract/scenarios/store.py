"""StoreService."""

from __future__ import annotations

import json
from typing import Any

from runwire.api.resource.v1.store_pb2 import (
    ITEM_OPERATOR_GREATER,
    DeleteItemRequest,
    GetItemRequest,
    Item,
    ItemCondition,
    ListNamespacesRequest,
    PutItemRequest,
    SearchItemsRequest,
)
from tests.contract.scenarios.scenario import (
    Errors,
    Listing,
    Listings,
    Successes,
    ask,
    json_of,
    refused,
    unique,
    wrong,
)
from tests.harness.platform import Platform
from tests.harness.refused import refused as refusal


async def _put(platform: Platform, namespace: list[str], key: str, value: object = None) -> Item:
    request = PutItemRequest(namespace=namespace, key=key, value=json_of(json.dumps(value or {})))
    item: Item = (await ask(platform, request)).item
    return item


# Successes


async def _puts(platform: Platform) -> Any:
    namespace = [unique(), "inner"]
    request = PutItemRequest(namespace=namespace, key="k", value=json_of('{"n":9007199254740993}'))
    response = await ask(platform, request)
    assert (list(response.item.namespace), response.item.key) == (namespace, "k")
    assert json.loads(response.item.value.text) == {"n": 9007199254740993}
    assert not response.item.HasField("expire_time")
    return response


async def _gets(platform: Platform) -> Any:
    item = await _put(platform, [unique()], "k", {"a": 1})
    response = await ask(platform, GetItemRequest(namespace=item.namespace, key="k"))
    assert response.item == item
    return response


async def _deletes(platform: Platform) -> Any:
    item = await _put(platform, [unique()], "k")
    response = await ask(platform, DeleteItemRequest(namespace=item.namespace, key="k"))
    assert (await refusal(ask(platform, GetItemRequest(namespace=item.namespace, key="k")))).reason == "ITEM_NOT_FOUND"
    return response


async def _searches(platform: Platform) -> Any:
    namespace = [unique()]
    for number in (1, 5, 9):
        await _put(platform, namespace, str(number), {"n": number})
    above = ItemCondition(key="n", operator=ITEM_OPERATOR_GREATER, operand=json_of("4"))
    response = await ask(platform, SearchItemsRequest(namespace_prefix=namespace, conditions=[above]))
    assert [found.item.key for found in response.items] == ["9", "5"]
    return response


async def _lists_namespaces(platform: Platform) -> Any:
    first = unique()
    for labels in ([first, "b", "deep"], [first, "a"], [first, "b"]):
        await _put(platform, labels, "k")
    response = await ask(platform, ListNamespacesRequest(prefix=[first], max_depth=2))
    assert [list(namespace.labels) for namespace in response.namespaces] == [[first, "a"], [first, "b"]]
    return response


SUCCESSES: Successes = {
    "PutItem": _puts,
    "GetItem": _gets,
    "DeleteItem": _deletes,
    "SearchItems": _searches,
    "ListNamespaces": _lists_namespaces,
}

# Errors

ERRORS: Errors = {
    ("PutItem", "FIELD_REQUIRED"): wrong(PutItemRequest(), "namespace", "key", "value"),
    ("GetItem", "FIELD_REQUIRED"): wrong(GetItemRequest(namespace=["n"]), "key"),
    ("GetItem", "ITEM_NOT_FOUND"): refused(GetItemRequest(namespace=[unique()], key="k")),
    ("DeleteItem", "FIELD_INVALID"): wrong(DeleteItemRequest(namespace=["a.b"], key="k"), "namespace[0]"),
    ("SearchItems", "FIELD_UNSUPPORTED"): wrong(SearchItemsRequest(query="by meaning"), "query"),
    ("ListNamespaces", "FIELD_OUT_OF_RANGE"): wrong(ListNamespacesRequest(max_depth=33), "max_depth"),
}

# Pages


async def _many_items(platform: Platform) -> Listing:
    namespace = [unique()]
    keys = ["c", "a", "e", "b", "d"]
    for key in keys:
        await _put(platform, namespace, key)
    return Listing(
        request=SearchItemsRequest(namespace_prefix=namespace),
        rows="items",
        name=lambda found: str(found.item.key),
        expected=keys[::-1],
        other=SearchItemsRequest(),
    )


async def _many_namespaces(platform: Platform) -> Listing:
    first = unique()
    for label in ("c", "a", "e", "b", "d"):
        await _put(platform, [first, label], "k")
    return Listing(
        request=ListNamespacesRequest(prefix=[first]),
        rows="namespaces",
        name=lambda namespace: str(namespace.labels[1]),
        expected=["a", "b", "c", "d", "e"],
        other=ListNamespacesRequest(),
    )


LISTINGS: Listings = {"SearchItems": _many_items, "ListNamespaces": _many_namespaces}
