from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import grpc
import orjson
import pytest

from runwire.api.resource.v1.store_pb2 import ListNamespacesRequest
from runwire.core import paging
from runwire.core.postgres import Pool
from runwire.worker.store import RunwireStore
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.store_pb2_grpc import StoreServiceAsyncStub


async def fill(pool: Pool, *namespaces: str, tenant: str = "default") -> None:
    """Two items in each namespace, as a graph puts them."""
    graph = RunwireStore(pool, tenant=tenant)
    for namespace in namespaces:
        for key in "kl":
            await graph.aput(tuple(namespace.split(".")), key, {})


async def listed(store: StoreServiceAsyncStub, **fields: Any) -> list[str]:
    request = ListNamespacesRequest(**fields)
    found: list[str] = []
    while True:
        answer = await store.ListNamespaces(request)
        found += [".".join(one.labels) for one in answer.namespaces]
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["a", "a.b", "a.b.c", "a.x+y.c", "ab", "b.c"]),
        ({"prefix": ["a"]}, ["a", "a.b", "a.b.c", "a.x+y.c"]),
        ({"prefix": ["a", "*"]}, ["a.b", "a.b.c", "a.x+y.c"]),
        ({"prefix": ["*", "b"]}, ["a.b", "a.b.c"]),
        ({"prefix": ["a", "x+y"]}, ["a.x+y.c"]),
        ({"suffix": ["c"]}, ["a.b.c", "a.x+y.c", "b.c"]),
        ({"suffix": ["*", "c"], "prefix": ["a"]}, ["a.b.c", "a.x+y.c"]),
        ({"suffix": ["b", "*"]}, ["a.b.c", "b.c"]),
        ({"max_depth": 2}, ["a", "a.b", "a.x+y", "ab", "b.c"]),
        ({"max_depth": 1}, ["a", "ab", "b"]),
        ({"prefix": ["a"], "suffix": ["c"], "max_depth": 1}, ["a"]),
        ({"prefix": ["a|b"]}, []),
        ({"prefix": ["nothing"]}, []),
    ],
)
async def test_namespaces_are_listed_by_pattern_and_depth(
    store: StoreServiceAsyncStub, pool: Pool, wanted: dict[str, Any], expected: list[str]
) -> None:
    await fill(pool, "b.c", "a.x+y.c", "a.b.c", "a.b", "a", "ab")
    for page_size in [0, 1, 2]:
        assert await listed(store, page_size=page_size, **wanted) == expected, page_size


async def test_namespaces_are_ordered_label_by_label(store: StoreServiceAsyncStub, pool: Pool) -> None:
    await fill(pool, "a!", "a.z", "a b", "A", "Ä", "a")
    assert await listed(store, page_size=2) == ["A", "a", "a.z", "a b", "a!", "Ä"]


async def test_a_page_has_a_hundred_unless_asked_otherwise(store: StoreServiceAsyncStub, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO store (prefix, key, value) SELECT 'n' || n, 'k', '{}' FROM generate_series(1, 101) n"
    )
    answer = await store.ListNamespaces(ListNamespacesRequest())
    assert len(answer.namespaces) == 100
    assert len(await listed(store)) == 101


async def test_expired_items_and_those_of_other_tenants_do_not_count(store: StoreServiceAsyncStub, pool: Pool) -> None:
    await fill(pool, "expired")
    await pool.execute("UPDATE store SET expires_at = now()")
    await fill(pool, "theirs", tenant="other")
    await fill(pool, "mine")
    assert await listed(store) == ["mine"]


async def test_a_wrong_list_is_refused_with_all_violations(store: StoreServiceAsyncStub) -> None:
    request = ListNamespacesRequest(prefix=["a", ""], suffix=["x"] * 33, max_depth=33, page_size=-1, page_token="?")
    answer = await refused(store.ListNamespaces(request))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "prefix[1]": "FIELD_INVALID",
        "suffix": "FIELD_OUT_OF_RANGE",
        "max_depth": "FIELD_OUT_OF_RANGE",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
    }


@pytest.mark.parametrize("place", ["", "[", "{}", "[1]", '["\\u0000"]', "[null]"])
async def test_a_forged_token_is_refused(store: StoreServiceAsyncStub, place: str) -> None:
    raw = orjson.dumps([1, paging.binding(ListNamespacesRequest()), "v", 0, place])
    token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    answer = await refused(store.ListNamespaces(ListNamespacesRequest(page_token=token)))
    assert answer.violations == {"page_token": "INVALID_PAGE_TOKEN"}
