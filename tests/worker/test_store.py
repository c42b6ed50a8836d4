"""The store of graphs, on a real database."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import asyncpg
import pytest
from langgraph.store.base import (
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from langgraph.store.postgres.aio import AsyncPostgresStore

from runwire.core.postgres import Pool
from runwire.worker.store import RunwireStore
from tests.harness.databases import held_up
from tests.harness.waiting import until
from tests.worker.checkpoint_graphs import MIGRATIONS

AGE = "UPDATE store SET expires_at = expires_at - interval '1 hour'"


@pytest.fixture
async def store(pool: Pool) -> RunwireStore:
    return RunwireStore(pool)


async def _keys(store: RunwireStore, **search: Any) -> list[str]:
    return sorted(item.key for item in await store.asearch(("docs",), **search))


async def test_an_item_comes_back_as_it_was_put(store: RunwireStore) -> None:
    value = {"text": "hello", "big": 2**70, "nested": {"list": [1, None, True]}}
    await store.aput(("users", "u1"), "prefs", value)

    item = await store.aget(("users", "u1"), "prefs")

    assert item is not None
    assert (item.value, item.key, item.namespace) == (value, "prefs", ("users", "u1"))
    assert item.created_at == item.updated_at


async def test_putting_again_replaces_the_value_and_keeps_the_time_of_creation(store: RunwireStore) -> None:
    await store.aput(("a",), "k", {"v": 1})
    first = await store.aget(("a",), "k")
    await store.aput(("a",), "k", {"v": 2})
    second = await store.aget(("a",), "k")

    assert first is not None
    assert second is not None
    assert (second.value, second.created_at) == ({"v": 2}, first.created_at)
    assert second.updated_at > first.updated_at


async def test_a_deleted_item_is_gone_and_deleting_it_again_is_no_error(store: RunwireStore) -> None:
    await store.aput(("a",), "k", {"v": 1})
    await store.adelete(("a",), "k")
    await store.adelete(("a",), "k")

    assert await store.aget(("a",), "k") is None


async def test_a_batch_answers_in_order_and_reads_what_was_there_before_it(store: RunwireStore) -> None:
    await store.aput(("a",), "old", {"v": 1})

    results = await store.abatch(
        [
            PutOp(("a",), "new", {"v": 2}),
            GetOp(("a",), "old"),
            GetOp(("a",), "new"),
            SearchOp(("a",)),
            GetOp(("a",), "old"),
            ListNamespacesOp(),
            PutOp(("a",), "old", None),
            PutOp(("a",), "new", {"v": 3}),
        ]
    )

    old = await store.aget(("a",), "old")
    assert old is None
    values = [getattr(result, "value", result) for result in results]
    found = values.pop(3)
    assert isinstance(found, list)
    assert len(found) == 1
    assert values == [None, {"v": 1}, None, {"v": 1}, [("a",)], None, None]
    assert [item.value for item in await store.asearch(("a",))] == [{"v": 3}]


async def test_the_gets_of_a_batch_are_one_statement_and_its_writes_another(store: RunwireStore, pool: Pool) -> None:
    statements: list[str] = []
    async with pool.acquire() as connection:
        connection.add_query_logger(lambda record: statements.append(record.query))
        one = copy.copy(store)
        one._pool = copy.copy(store._pool)
        one._pool._pool = _OnlyConnection(connection)
        await one.abatch([GetOp(("n", str(n % 7)), str(n)) for n in range(50)])
        await one.abatch([PutOp(("n", str(n % 7)), str(n), {} if n % 2 else None) for n in range(50)])

    assert len([statement for statement in statements if "store" in statement]) == 2


class _OnlyConnection:
    """A pool of one connection that is never given back."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    async def acquire(self) -> object:
        return self._connection

    async def release(self, connection: object) -> None:
        pass


async def test_a_search_finds_a_namespace_and_what_is_below_it_but_not_its_namesakes(
    store: RunwireStore,
) -> None:
    for namespace in (("foo",), ("foo", "x"), ("foo", "x", "y"), ("foobar",), ("foo-x",), ("fo",), ("f_o",)):
        await store.aput(namespace, "k", {})

    found = {item.namespace for item in await store.asearch(("foo",))}

    assert found == {("foo",), ("foo", "x"), ("foo", "x", "y")}
    assert {item.namespace for item in await store.asearch(("f_o",))} == {("f_o",)}
    assert len(await store.asearch(())) == 7


async def test_a_search_pages_newest_first(store: RunwireStore) -> None:
    for number in range(5):
        await store.aput(("docs",), f"k{number}", {})

    pages = [await store.asearch(("docs",), limit=2, offset=offset) for offset in (0, 2, 4)]

    assert [[item.key for item in page] for page in pages] == [["k4", "k3"], ["k2", "k1"], ["k0"]]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"n": 10}, "b"),
        ({"n": {"$eq": 10}}, "b"),
        ({"n": {"$ne": 10}}, "acd"),
        ({"n": {"$gt": 9}}, "bc"),
        ({"n": {"$gte": 10, "$lt": 100}}, "b"),
        ({"n": {"$lte": 10}}, "ab"),
        ({"word": {"$gt": "apple"}}, "b"),
        ({"n": {"$gt": "0"}}, ""),
        ({"word": "apple", "n": 9}, "a"),
        ({"who": {"name": "ann"}}, "a"),
        ({"who": {"name": "ann", "age": 3}}, "a"),
        ({"who": {"name": "bob"}}, ""),
        ({"who": None}, "b"),
        ({"tags": ["x", "y"]}, "c"),
        ({"missing": {"$gt": 1}}, ""),
        ({}, "abcd"),
        ({'it\'s "odd" $1': True}, "d"),
    ],
)
async def test_a_filter_picks_by_the_values_fields(store: RunwireStore, filter: dict[str, Any], expected: str) -> None:
    await store.aput(("docs",), "a", {"n": 9, "word": "apple", "who": {"name": "ann", "age": 3}})
    await store.aput(("docs",), "b", {"n": 10, "word": "pear", "who": None})
    await store.aput(("docs",), "c", {"n": 100, "tags": ["x", "y"]})
    await store.aput(("docs",), "d", {'it\'s "odd" $1': True})

    assert await _keys(store, filter=filter) == list(expected)


async def test_an_unknown_operator_is_refused(store: RunwireStore) -> None:
    with pytest.raises(ValueError, match=r"\$near: one of \$eq"):
        await store.asearch(("docs",), filter={"n": {"$near": 1}})


async def test_a_query_ranks_nothing_as_in_a_store_without_an_index(store: RunwireStore) -> None:
    for each in (store, InMemoryStore()):
        await each.aput(("docs",), "tea", {"n": 1})
        await each.aput(("docs",), "coffee", {"n": 2})
        found = await each.asearch(("docs",), query="something like tea", filter={"n": 2})
        assert [(item.key, item.score) for item in found] == [("coffee", None)]
        assert len(await each.asearch(("docs",), query="something like tea")) == 2


@pytest.mark.parametrize("namespace", [(), ("a.b",), ("",), ("langgraph",)])
async def test_an_invalid_namespace_is_refused(store: RunwireStore, namespace: tuple[str, ...]) -> None:
    with pytest.raises(InvalidNamespaceError):
        await store.aput(namespace, "k", {})
    with pytest.raises(InvalidNamespaceError):
        await store.abatch([GetOp(("a.b",), "k")])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["a", "a.b", "a.b.c", "a.x+y.c", "b.c"]),
        ({"prefix": ("a",)}, ["a", "a.b", "a.b.c", "a.x+y.c"]),
        ({"prefix": ("a", "*")}, ["a.b", "a.b.c", "a.x+y.c"]),
        ({"prefix": ("a", "x+y")}, ["a.x+y.c"]),
        ({"suffix": ("c",)}, ["a.b.c", "a.x+y.c", "b.c"]),
        ({"suffix": ("*", "c"), "prefix": ("a",)}, ["a.b.c", "a.x+y.c"]),
        ({"max_depth": 2}, ["a", "a.b", "a.x+y", "b.c"]),
        ({"max_depth": 1}, ["a", "b"]),
        ({"limit": 2, "offset": 1}, ["a.b", "a.b.c"]),
    ],
)
async def test_namespaces_are_listed_by_pattern_and_depth(
    store: RunwireStore, wanted: dict[str, Any], expected: list[str]
) -> None:
    for text in ("b.c", "a.x+y.c", "a.b.c", "a.b", "a"):
        await store.aput(tuple(text.split(".")), "k", {})

    assert [".".join(found) for found in await store.alist_namespaces(**wanted)] == expected


async def test_an_unknown_kind_of_match_is_refused(store: RunwireStore) -> None:
    with pytest.raises(ValueError, match="prefix or suffix"):
        await store.abatch([ListNamespacesOp((MatchCondition("middle", ("a",)),))])  # type: ignore[arg-type]


async def test_an_item_past_its_time_is_not_read_and_is_swept(store: RunwireStore, pool: Pool) -> None:
    await store.aput(("docs",), "short", {}, ttl=0.5)
    await store.aput(("docs",), "endless", {})
    assert await _keys(store) == ["endless", "short"]

    await pool.execute(AGE)

    assert await store.aget(("docs",), "short") is None
    assert await _keys(store) == ["endless"]
    assert await store.sweep_expired() == 1
    assert await pool.fetchval("SELECT count(*) FROM store") == 1


@pytest.mark.parametrize("read", ["get", "search"])
@pytest.mark.parametrize(("refresh", "renewed"), [(True, True), (False, False), (None, True)])
async def test_reading_renews_the_time_to_live_if_asked_to(
    store: RunwireStore, pool: Pool, read: str, refresh: bool | None, renewed: bool
) -> None:
    await store.aput(("docs",), "k", {}, ttl=60)
    expiry = await pool.fetchval("SELECT expires_at FROM store")

    if read == "get":
        await store.aget(("docs",), "k", refresh_ttl=refresh)
    else:
        await store.asearch(("docs",), refresh_ttl=refresh)

    assert (await pool.fetchval("SELECT expires_at FROM store") > expiry) is renewed


async def test_the_configured_time_to_live_counts_where_none_is_given(pool: Pool) -> None:
    store = RunwireStore(pool, ttl={"default_ttl": 30, "refresh_on_read": False})
    await store.aput(("docs",), "default", {})
    await store.aput(("docs",), "endless", {}, ttl=None)
    expiry = await pool.fetchval("SELECT expires_at FROM store WHERE key = 'default'")

    await store.aget(("docs",), "default")

    rows = await pool.fetch("SELECT key, ttl_minutes, expires_at FROM store ORDER BY key")
    assert [tuple(row) for row in rows] == [("default", 30, expiry), ("endless", None, None)]


async def test_tenants_do_not_see_one_another(pool: Pool) -> None:
    stores = {name: RunwireStore(pool, tenant=name) for name in ("default", "acme")}
    for name, store in stores.items():
        await store.aput(("docs",), "k", {"owner": name})
    await stores["acme"].adelete(("docs",), "k")

    item = await stores["default"].aget(("docs",), "k")
    assert item is not None
    assert item.value == {"owner": "default"}
    assert await stores["acme"].asearch(()) == []
    assert await stores["acme"].alist_namespaces() == []


async def test_synchronous_callers_are_served_from_a_thread(store: RunwireStore) -> None:
    def work() -> list[str]:
        store.put(("docs",), "k", {"v": 1})
        return [item.key for item in store.search(("docs",), filter={"v": 1})]

    assert await asyncio.to_thread(work) == ["k"]
    with pytest.raises(RuntimeError, match="own thread"):
        store.get(("docs",), "k")


async def test_batches_over_the_same_items_at_once_all_succeed(store: RunwireStore) -> None:
    async def write(turn: int) -> None:
        order = range(20) if turn % 2 else range(19, -1, -1)
        await store.abatch([PutOp(("docs",), str(n), {"turn": turn}) for n in order])

    await asyncio.gather(*(write(turn) for turn in range(20)))

    assert len({item.value["turn"] for item in await store.asearch(("docs",), limit=100)}) == 1


async def test_items_written_by_the_langgraph_package_carry_over(database_uri: str) -> None:
    connection = await asyncpg.connect(database_uri)
    try:
        await connection.execute("DROP TABLE store, store_migrations")
        async with AsyncPostgresStore.from_conn_string(database_uri) as theirs:
            await theirs.setup()
            await theirs.aput(("docs", "old"), "k", {"v": 1}, ttl=5)
        await connection.execute(next(MIGRATIONS.glob("*_up_store_table.sql")).read_text())
        async with AsyncPostgresStore.from_conn_string(database_uri) as theirs:
            await theirs.setup()
    finally:
        await connection.close()
    async with asyncpg.create_pool(database_uri, min_size=1) as pool:
        found = await RunwireStore(pool).asearch(("docs",))
    assert [(item.namespace, item.key, item.value) for item in found] == [(("docs", "old"), "k", {"v": 1})]


@pytest.fixture
async def mortal(pool: Pool) -> RunwireStore:
    """A store whose items live for an hour after each reading; "b" is locked by somebody else."""
    store = RunwireStore(pool, ttl={"default_ttl": 60, "refresh_on_read": True})
    for key in ("b", "a"):
        await store.aput(("docs",), key, {}, ttl=60)
    return store


READINGS: dict[str, Op] = {
    "get": GetOp(("docs",), "b", refresh_ttl=True),
    "search": SearchOp(("docs",), refresh_ttl=True),
}


@pytest.mark.parametrize("name", READINGS)
async def test_a_reading_does_not_wait_for_who_writes_the_item(pool: Pool, mortal: RunwireStore, name: str) -> None:
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute("SELECT FROM store WHERE key = 'b' FOR UPDATE")
        async with asyncio.timeout(10):
            [found] = await mortal.abatch([READINGS[name]])
    assert found


async def test_a_batch_that_waits_for_an_item_holds_none_of_the_later_ones(pool: Pool, mortal: RunwireStore) -> None:
    async with pool.acquire() as writer, writer.transaction():
        await writer.execute("SELECT FROM store WHERE key = 'a' FOR UPDATE")
        batch = asyncio.create_task(mortal.abatch([PutOp(("docs",), "b", {"v": 2}), PutOp(("docs",), "a", None)]))
        await until(lambda: held_up(pool))
        await writer.execute("SELECT FROM store WHERE key = 'b' FOR UPDATE NOWAIT")
    await batch
    assert await _keys(mortal) == ["b"]
