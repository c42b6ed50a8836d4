"""Store items over gRPC, and as a graph sees them."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import orjson
import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.resource.v1.store_pb2 import (
    DeleteItemRequest,
    GetItemRequest,
    Item,
    ItemCondition,
    ItemIndex,
    ItemOperator,
    PutItemRequest,
    SearchItemsRequest,
)
from runwire.api.resource.v1.store_pb2_grpc import StoreServiceStub
from runwire.api.type.v1.json_pb2 import Json
from runwire.core import paging
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.resource.__main__ import running
from runwire.worker.store import RunwireStore
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.store_pb2_grpc import StoreServiceAsyncStub

EQUAL, NOT_EQUAL = ItemOperator.ITEM_OPERATOR_EQUAL, ItemOperator.ITEM_OPERATOR_NOT_EQUAL
GREATER, GREATER_OR_EQUAL = ItemOperator.ITEM_OPERATOR_GREATER, ItemOperator.ITEM_OPERATOR_GREATER_OR_EQUAL
LESS, LESS_OR_EQUAL = ItemOperator.ITEM_OPERATOR_LESS, ItemOperator.ITEM_OPERATOR_LESS_OR_EQUAL
HOUR = Duration(seconds=3600)


async def put(
    store: StoreServiceAsyncStub, key: str = "k", value: object = None, namespace: str = "docs", **fields: Any
) -> Item:
    request = PutItemRequest(
        namespace=namespace.split("."), key=key, value=Json(text=json.dumps(value or {})), **fields
    )
    return (await store.PutItem(request)).item


async def get(store: StoreServiceAsyncStub, key: str = "k", namespace: str = "docs", **fields: Any) -> Item:
    return (await store.GetItem(GetItemRequest(namespace=namespace.split("."), key=key, **fields))).item


async def pages(store: StoreServiceAsyncStub, namespace: str = "docs", **fields: Any) -> list[list[Item]]:
    request = SearchItemsRequest(namespace_prefix=namespace.split(".") if namespace else [], **fields)
    found: list[list[Item]] = []
    while True:
        answer = await store.SearchItems(request)
        found.append([one.item for one in answer.items])
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


async def search(store: StoreServiceAsyncStub, namespace: str = "docs", **fields: Any) -> list[Item]:
    return [item for page in await pages(store, namespace, **fields) for item in page]


async def age(pool: Pool, span: timedelta = timedelta(minutes=30)) -> None:
    await pool.execute("UPDATE store SET expires_at = expires_at - $1::interval", span)


def left(item: Item) -> timedelta:
    """From the last change to the end."""
    span: timedelta = item.expire_time.ToDatetime() - item.update_time.ToDatetime()
    return span


async def test_an_item_comes_back_as_it_was_put(store: StoreServiceAsyncStub) -> None:
    request = PutItemRequest(
        namespace=["users", "u 1"], key="präfs/1", value=Json(text='{"big": 18446744073709551617}')
    )
    made = (await store.PutItem(request)).item
    assert (list(made.namespace), made.key) == (["users", "u 1"], "präfs/1")
    assert made.value.text == '{"big": 18446744073709551617}'
    assert made.create_time == made.update_time
    assert not made.HasField("expire_time")
    assert await get(store, "präfs/1", "users.u 1") == made


async def test_putting_again_replaces_the_value_and_keeps_the_time_of_creation(store: StoreServiceAsyncStub) -> None:
    first = await put(store, value={"a": 1}, ttl=HOUR)
    second = await put(store, value={"b": 2})
    assert (json.loads(second.value.text), second.create_time) == ({"b": 2}, first.create_time)
    assert second.update_time.ToDatetime() > first.update_time.ToDatetime()
    assert not second.HasField("expire_time")


async def test_an_item_that_is_not_there_is_not_found(store: StoreServiceAsyncStub, pool: Pool) -> None:
    await RunwireStore(pool, tenant="other").aput(("docs",), "theirs", {})
    await put(store, "k", namespace="docs.below")
    for key in ["k", "theirs"]:
        answer = await refused(get(store, key))
        assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND")


async def test_a_deleted_item_is_gone_and_deleting_it_again_is_ok(
    store: StoreServiceAsyncStub, pool: Pool, rows: Rows
) -> None:
    await RunwireStore(pool, tenant="other").aput(("docs",), "k", {})
    await put(store)
    for _ in range(2):
        await store.DeleteItem(DeleteItemRequest(namespace=["docs"], key="k"))
    assert (await refused(get(store))).reason == "ITEM_NOT_FOUND"
    assert await rows.count("store") == 1


async def test_a_graph_and_a_client_see_the_same_items(store: StoreServiceAsyncStub, pool: Pool) -> None:
    graph = RunwireStore(pool)
    await put(store, "client", {"n": 1}, "users.u1", ttl=HOUR)
    await graph.aput(("users", "u2"), "graph", {"n": 2}, ttl=60)
    read = await graph.aget(("users", "u1"), "client", refresh_ttl=False)
    assert read is not None
    assert (read.value, read.namespace) == ({"n": 1}, ("users", "u1"))
    theirs = await get(store, "graph", "users.u2", refresh_ttl=False)
    assert (json.loads(theirs.value.text), left(theirs)) == ({"n": 2}, timedelta(hours=1))
    found = [(item.namespace, item.key) for item in await graph.asearch(("users",), refresh_ttl=False)]
    assert found == [(tuple(item.namespace), item.key) for item in await search(store, "users", refresh_ttl=False)]
    await store.DeleteItem(DeleteItemRequest(namespace=["users", "u2"], key="graph"))
    assert await graph.aget(("users", "u2"), "graph") is None


async def test_reading_renews_the_time_to_live(store: StoreServiceAsyncStub, pool: Pool) -> None:
    made = await put(store, ttl=HOUR)
    assert left(made) == timedelta(hours=1)
    for refresh, renewed in [(None, True), (True, True), (False, False)]:
        await age(pool)
        before = await pool.fetchval("SELECT expires_at FROM store")
        read = await get(store, refresh_ttl=refresh)
        stored = await pool.fetchval("SELECT expires_at FROM store")
        assert (stored > before, read.expire_time.ToDatetime()) == (renewed, stored.replace(tzinfo=None)), refresh
        assert read.update_time == made.update_time


async def test_searching_renews_what_is_found_and_nothing_else(store: StoreServiceAsyncStub, pool: Pool) -> None:
    for key in "abc":
        await put(store, key, ttl=HOUR)
    await put(store, "endless")
    for refresh, renewed in [(None, {"b", "c"}), (True, {"b", "c"}), (False, set())]:
        await age(pool, timedelta(minutes=1))
        before = {row["key"]: row["expires_at"] for row in await pool.fetch("SELECT key, expires_at FROM store")}
        request = SearchItemsRequest(namespace_prefix=["docs"], page_size=3)
        if refresh is not None:
            request.refresh_ttl = refresh
        answer = await store.SearchItems(request)
        after = {row["key"]: row["expires_at"] for row in await pool.fetch("SELECT key, expires_at FROM store")}
        assert {key for key in after if after[key] != before[key]} == renewed
        found = {one.item.key: one.item for one in answer.items}
        assert set(found) == {"endless", "c", "b"}
        assert not found["endless"].HasField("expire_time")
        assert found["c"].expire_time.ToDatetime() == after["c"].replace(tzinfo=None)


async def test_an_item_past_its_time_is_not_read_whether_it_was_swept_or_not(
    store: StoreServiceAsyncStub, pool: Pool
) -> None:
    await put(store, ttl=HOUR)
    await age(pool, timedelta(hours=1))
    assert (await refused(get(store))).reason == "ITEM_NOT_FOUND"
    assert await search(store) == []


@pytest.fixture
def with_default(settings: Settings, tmp_path: Path) -> Settings:
    """Settings for a project whose items live for an hour and a half, however often they are read."""
    file = tmp_path / "langgraph.json"
    file.write_text('{"store": {"ttl": {"default_ttl": 90, "refresh_on_read": false}}}')
    return settings.model_copy(update={"graphs": file})


async def test_the_projects_time_to_live_is_for_items_that_do_not_say(with_default: Settings, pool: Pool) -> None:
    async with running(with_default) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        store: StoreServiceAsyncStub = StoreServiceStub(channel)
        own, default = await put(store, "own", ttl=HOUR), await put(store)
        assert (left(own), left(default)) == (timedelta(hours=1), timedelta(minutes=90))
        await age(pool)
        assert (left(await get(store)), left((await search(store))[0])) == (timedelta(hours=1), timedelta(hours=1))
        assert (await get(store, refresh_ttl=True)).expire_time.ToDatetime() > default.expire_time.ToDatetime()


async def test_a_search_finds_a_namespace_and_what_is_below_it_but_not_its_namesakes(
    store: StoreServiceAsyncStub,
) -> None:
    for namespace in ("foo", "foo.x", "foo.x.y", "foobar", "foo-x", "f_o"):
        await put(store, namespace=namespace)
    found = [list(item.namespace) for item in await search(store, "foo")]
    assert found == [["foo", "x", "y"], ["foo", "x"], ["foo"]]
    assert [list(item.namespace) for item in await search(store, "f_o")] == [["f_o"]]
    assert len(await search(store, "")) == 6


def condition(key: str, operand: object, operator: ItemOperator | None = None) -> ItemCondition:
    return ItemCondition(key=key, operator=operator, operand=Json(text=json.dumps(operand)))


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], "abcd"),
        ([condition("n", 10)], "b"),
        ([condition("n", 10.0, EQUAL)], "b"),
        ([condition("n", 10, NOT_EQUAL)], "acd"),
        ([condition("n", 9, GREATER)], "bc"),
        ([condition("n", 10, GREATER_OR_EQUAL), condition("n", 100, LESS)], "b"),
        ([condition("n", 10, LESS_OR_EQUAL)], "ab"),
        ([condition("n", "0", GREATER)], ""),
        ([condition("word", "apple", GREATER)], "b"),
        ([condition("word", "b", LESS)], "a"),
        ([condition("word", "apple"), condition("n", 9)], "a"),
        ([condition("who", {"age": 3, "name": "ann"})], "a"),
        ([condition("who", {"name": "ann"})], ""),
        ([condition("who", None)], "b"),
        ([condition("tags", ["x", "y"])], "c"),
        ([condition("missing", 1, LESS)], ""),
        ([condition('it\'s "odd" $1 {}', True)], "d"),
    ],
)
async def test_conditions_pick_by_the_values_keys(
    store: StoreServiceAsyncStub, conditions: list[ItemCondition], expected: str
) -> None:
    await put(store, "a", {"n": 9, "word": "apple", "who": {"name": "ann", "age": 3}})
    await put(store, "b", {"n": 10, "word": "pear", "who": None})
    await put(store, "c", {"n": 100, "tags": ["x", "y"]})
    await put(store, "d", {'it\'s "odd" $1 {}': True})
    assert sorted(item.key for item in await search(store, conditions=conditions)) == list(expected)


async def test_pages_show_every_item_once_the_latest_change_first(store: StoreServiceAsyncStub, pool: Pool) -> None:
    for number in range(6):
        await put(store, f"k.{number}", namespace=f"docs.{'ba'[number % 2]}")
    # Three pairs, each changed at one time.
    await pool.execute(
        "UPDATE store SET updated_at = '2026-01-01'::timestamptz + (right(key, 1)::int / 2) * interval '1 us'"
    )
    expected = [("a", "k.5"), ("b", "k.4"), ("a", "k.3"), ("b", "k.2"), ("a", "k.1"), ("b", "k.0")]
    for page_size in [1, 2, 5, 6, 7]:
        assert [(i.namespace[1], i.key) for i in await search(store, page_size=page_size)] == expected, page_size


async def test_a_page_has_ten_items_unless_asked_otherwise(store: StoreServiceAsyncStub) -> None:
    for number in range(11):
        await put(store, str(number))
    assert [len(page) for page in await pages(store)] == [10, 1]


async def test_a_page_fits_into_a_message_however_large_its_items_are(store: StoreServiceAsyncStub) -> None:
    for number in range(5):
        await put(store, str(number), {"x": "x" * 1_000_000})
    assert [len(page) for page in await pages(store)] == [3, 2]


async def test_other_tenants_items_are_not_found(store: StoreServiceAsyncStub, pool: Pool) -> None:
    await RunwireStore(pool, tenant="other").aput(("docs",), "theirs", {})
    await put(store, "mine")
    assert [item.key for item in await search(store, "")] == ["mine"]


WRONG_PLACES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"namespace": "FIELD_REQUIRED", "key": "FIELD_REQUIRED"}),
    (
        {"namespace": ["langgraph", "", "a.b", "\0"], "key": "\0"},
        {f"namespace[{index}]": "FIELD_INVALID" for index in range(4)} | {"key": "FIELD_INVALID"},
    ),
    (
        {"namespace": ["x"] * 33, "key": "ä" * 257},
        {"namespace": "FIELD_OUT_OF_RANGE", "key": "PAYLOAD_TOO_LARGE"},
    ),
    ({"namespace": ["ä" * 500, "x" * 24], "key": "k"}, {"namespace": "PAYLOAD_TOO_LARGE"}),
]


@pytest.mark.parametrize(("place", "violations"), WRONG_PLACES)
async def test_a_wrong_place_is_refused_with_all_violations(
    store: StoreServiceAsyncStub, rows: Rows, place: dict[str, Any], violations: dict[str, str]
) -> None:
    calls: list[Awaitable[object]] = [
        store.PutItem(PutItemRequest(**place, value=Json(text="{}"))),
        store.GetItem(GetItemRequest(**place)),
        store.DeleteItem(DeleteItemRequest(**place)),
    ]
    for call in calls:
        answer = await refused(call)
        assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
        assert answer.violations == violations
    assert await rows.count("store") == 0


async def test_a_place_may_be_as_long_as_is_said(store: StoreServiceAsyncStub) -> None:
    deep = ".".join(["x" * 31] * 31 + ["y" * 32])
    made = await put(store, "ä" * 256, namespace=deep)
    assert (len(made.namespace), len(deep)) == (32, 1024)
    assert await get(store, "ä" * 256, deep) == made


@pytest.mark.parametrize(
    ("fields", "violations"),
    [
        ({}, {"value": "FIELD_REQUIRED"}),
        ({"value": Json()}, {"value": "INVALID_JSON"}),
        ({"value": Json(text="[]")}, {"value": "INVALID_JSON"}),
        ({"value": Json(text='{"a": "\\u0000"}')}, {"value": "INVALID_JSON"}),
        ({"value": Json(text=json.dumps({"a": "x" * 1024 * 1024}))}, {"value": "PAYLOAD_TOO_LARGE"}),
        ({"value": Json(text="{}"), "ttl": Duration(seconds=59)}, {"ttl": "FIELD_OUT_OF_RANGE"}),
        ({"value": Json(text="{}"), "ttl": Duration(seconds=3651 * 86_400)}, {"ttl": "FIELD_OUT_OF_RANGE"}),
        ({"value": Json(text="{}"), "index": ItemIndex(paths=["a"])}, {"index.paths": "FIELD_UNSUPPORTED"}),
        (
            {"value": Json(text="{}"), "index": ItemIndex(off=True, paths=["a"])},
            {"index.paths": "FIELD_UNSUPPORTED", "index.off": "FIELDS_CONFLICT"},
        ),
    ],
)
async def test_a_wrong_item_is_refused_with_all_violations(
    store: StoreServiceAsyncStub, rows: Rows, fields: dict[str, Any], violations: dict[str, str]
) -> None:
    answer = await refused(store.PutItem(PutItemRequest(namespace=["docs"], key="k", **fields)))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == violations
    assert await rows.count("store") == 0


async def test_an_item_may_ask_not_to_be_indexed(store: StoreServiceAsyncStub) -> None:
    made = await put(store, index=ItemIndex(off=True))
    assert await get(store) == made


async def test_a_wrong_search_is_refused_with_all_violations(store: StoreServiceAsyncStub) -> None:
    request = SearchItemsRequest(
        namespace_prefix=["ok", "a.b"],
        page_size=1001,
        page_token="?",
        conditions=[
            ItemCondition(),
            ItemCondition(key="\0", operator=9, operand=Json(text="{")),  # type: ignore[arg-type]
            condition("k", None, GREATER),
            condition("k", [1], LESS),
            condition("k", True, GREATER_OR_EQUAL),
            condition("k", {}, LESS_OR_EQUAL),
            condition("k", {}, NOT_EQUAL),
        ],
    )
    answer = await refused(store.SearchItems(request))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "namespace_prefix[1]": "FIELD_INVALID",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "conditions[0].key": "FIELD_REQUIRED",
        "conditions[0].operand": "FIELD_REQUIRED",
        "conditions[1].key": "FIELD_INVALID",
        "conditions[1].operator": "UNKNOWN_ENUM_VALUE",
        "conditions[1].operand": "INVALID_JSON",
        **{f"conditions[{number}].operand": "FIELD_INVALID" for number in range(2, 6)},
    }


async def test_more_conditions_than_allowed_are_refused(store: StoreServiceAsyncStub) -> None:
    answer = await refused(search(store, conditions=[condition("k", 1)] * 33))
    assert answer.violations == {"conditions": "FIELD_OUT_OF_RANGE"}


@pytest.mark.parametrize("place", ["", "{", '"a"', '["a"]', '["a", 1]', '["a", "b", "c"]', '["a", "\\u0000"]', "null"])
async def test_a_forged_token_is_refused(store: StoreServiceAsyncStub, place: str) -> None:
    bound_to = paging.binding(SearchItemsRequest())
    raw = orjson.dumps([1, bound_to, "t", "2026-01-01T00:00:00+00:00", place])
    token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    answer = await refused(store.SearchItems(SearchItemsRequest(page_token=token)))
    assert answer.violations == {"page_token": "INVALID_PAGE_TOKEN"}
