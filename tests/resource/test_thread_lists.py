from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import grpc
import orjson

from runwire.api.resource.v1.threads_pb2 import (
    ListThreadsRequest,
    Thread,
    ThreadFilter,
    ThreadSortBy,
    ThreadStatus,
    ThreadView,
)
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.sorting_pb2 import SortOrder
from runwire.core import paging
from runwire.core.postgres import Pool
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub

START = datetime(2026, 1, 1, tzinfo=UTC)
ASCENDING, DESCENDING = SortOrder.SORT_ORDER_ASCENDING, SortOrder.SORT_ORDER_DESCENDING
BY_CREATION, BY_UPDATE = ThreadSortBy.THREAD_SORT_BY_CREATE_TIME, ThreadSortBy.THREAD_SORT_BY_UPDATE_TIME

FORGED: list[list[object]] = [
    ["v", 5, "t-00"],
    ["v", "text", "t-00"],
    ["v", True, "t-00"],
    ["t", "yesterday", "t-00"],
    ["t", "0001-01-01T00:00:00+14:00", "t-00"],
    ["t", "2026-01-01T00:00:00+00:00", "nul\0"],
    ["t", "2026-01-01T00:00:00+00:00", 5],
    ["t", "2026-01-01T00:00:00+00:00"],
    ["t", None, "t-00"],
]


async def store(pool: Pool, count: int) -> None:
    """Threads t-00, t-01, ...: pairs share their creation, and later ones were changed earlier."""
    await pool.executemany(
        "INSERT INTO threads (thread_id, created_at, updated_at, metadata, values)"
        " VALUES ($1, $2, $3, $4, jsonb_build_object('n', $5::int))",
        [
            (
                f"t-{n:02}",
                START + timedelta(seconds=n // 2),
                START - timedelta(microseconds=n),
                json.dumps({"n": n, "odd": bool(n % 2), "tags": ["a", "b"]}),
                n,
            )
            for n in range(count)
        ],
    )


async def pages(threads: ThreadsServiceAsyncStub, request: ListThreadsRequest) -> AsyncIterator[list[Thread]]:
    while True:
        answer = await threads.ListThreads(request)
        yield list(answer.threads)
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token


async def listed(threads: ThreadsServiceAsyncStub, **fields: object) -> list[str]:
    request = ListThreadsRequest(**fields)  # type: ignore[arg-type]
    return [thread.thread_id async for page in pages(threads, request) for thread in page]


async def test_no_threads_are_an_empty_last_page(threads: ThreadsServiceAsyncStub) -> None:
    answer = await threads.ListThreads(ListThreadsRequest())
    assert (list(answer.threads), answer.next_page_token) == ([], "")


async def test_pages_show_every_thread_once_in_order(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 9)
    expected = [f"t-{n:02}" for n in range(9)]
    for page_size in [1, 2, 3, 9, 10]:
        for order, created in [(ASCENDING, expected), (DESCENDING, expected[::-1])]:
            by_creation = await listed(threads, page_size=page_size, order=order, sort_by=BY_CREATION)
            by_update = await listed(threads, page_size=page_size, order=order, sort_by=BY_UPDATE)
            assert (by_creation, by_update) == (created, created[::-1]), (page_size, order)


async def test_the_last_change_comes_first_unless_asked_otherwise(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 3)
    assert await listed(threads) == ["t-00", "t-01", "t-02"]


async def test_a_page_is_not_disturbed_by_what_is_added_before_it(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 4)
    request = ListThreadsRequest(page_size=2, sort_by=BY_CREATION)
    seen = []
    async for page in pages(threads, request):
        seen += [thread.thread_id for thread in page]
        await pool.execute("INSERT INTO threads (thread_id) VALUES (gen_random_uuid()::text)")
    assert seen == ["t-03", "t-02", "t-01", "t-00"]


async def test_filters_add_up(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 6)
    odd = Json(text='{"odd": true, "tags": ["b"]}')
    assert await listed(threads, filter=ThreadFilter(metadata_contains=odd)) == ["t-01", "t-03", "t-05"]
    ids = ThreadFilter(thread_ids=["t-03", "t-04", "nobody"])
    assert await listed(threads, filter=ids) == ["t-03", "t-04"]
    ids.metadata_contains.CopyFrom(odd)
    assert await listed(threads, filter=ids) == ["t-03"]
    assert await listed(threads, filter=ThreadFilter(values_contain=Json(text='{"n": 2}'))) == ["t-02"]
    assert await listed(threads, filter=ThreadFilter(metadata_contains=Json(text='{"n": 99}'))) == []


async def test_a_status_filter_counts_active_runs(threads: ThreadsServiceAsyncStub, pool: Pool, rows: Rows) -> None:
    assistant_id = await rows.graph("agent")
    await store(pool, 4)
    await pool.execute("UPDATE threads SET status = 'interrupted' WHERE thread_id IN ('t-01', 't-02')")
    await pool.execute("UPDATE threads SET status = 'error', error_type = 'E' WHERE thread_id = 't-03'")
    await rows.run("t-02", assistant_id)
    for status, expected in [
        (ThreadStatus.THREAD_STATUS_UNSPECIFIED, ["t-00", "t-01", "t-02", "t-03"]),
        (ThreadStatus.THREAD_STATUS_IDLE, ["t-00"]),
        (ThreadStatus.THREAD_STATUS_INTERRUPTED, ["t-01"]),
        (ThreadStatus.THREAD_STATUS_BUSY, ["t-02"]),
        (ThreadStatus.THREAD_STATUS_ERROR, ["t-03"]),
    ]:
        assert sorted(await listed(threads, filter=ThreadFilter(status=status))) == expected


async def test_a_list_has_values_only_where_asked(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 1)
    [basic] = (await threads.ListThreads(ListThreadsRequest())).threads
    assert not basic.HasField("values")
    [full] = (await threads.ListThreads(ListThreadsRequest(view=ThreadView.THREAD_VIEW_FULL))).threads
    assert full.values.text == '{"n": 0}'


async def test_a_page_fits_into_a_message_however_large_its_threads_are(
    threads: ThreadsServiceAsyncStub, pool: Pool
) -> None:
    await store(pool, 5)
    await pool.execute("UPDATE threads SET values = jsonb_build_object('x', repeat('x', 1500000))")
    await pool.execute(
        "UPDATE threads SET values = jsonb_build_object('x', repeat('x', 3500000)) WHERE thread_id = 't-04'"
    )
    request = ListThreadsRequest(view=ThreadView.THREAD_VIEW_FULL)
    assert [len(page) async for page in pages(threads, request)] == [2, 2, 1]


async def test_other_tenants_threads_are_not_listed(threads: ThreadsServiceAsyncStub, pool: Pool) -> None:
    await store(pool, 2)
    await pool.execute("UPDATE threads SET tenant = 'other' WHERE thread_id = 't-00'")
    assert await listed(threads) == ["t-01"]


async def test_a_wrong_list_is_refused_with_all_violations(threads: ThreadsServiceAsyncStub) -> None:
    request = ListThreadsRequest(
        page_size=1001,
        page_token="?",
        sort_by=9,  # type: ignore[arg-type]
        order=9,  # type: ignore[arg-type]
        view=9,  # type: ignore[arg-type]
        filter=ThreadFilter(
            thread_ids=["good", "not good", ""],
            status=9,  # type: ignore[arg-type]
            metadata_contains=Json(text="1"),
            values_contain=Json(text="{]"),
        ),
    )
    answer = await refused(threads.ListThreads(request))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "sort_by": "UNKNOWN_ENUM_VALUE",
        "order": "UNKNOWN_ENUM_VALUE",
        "view": "UNKNOWN_ENUM_VALUE",
        "filter.thread_ids[1]": "FIELD_INVALID",
        "filter.thread_ids[2]": "FIELD_REQUIRED",
        "filter.status": "UNKNOWN_ENUM_VALUE",
        "filter.metadata_contains": "INVALID_JSON",
        "filter.values_contain": "INVALID_JSON",
    }


async def test_more_violations_than_a_response_can_hold_are_still_a_refusal(
    threads: ThreadsServiceAsyncStub,
) -> None:
    request = ListThreadsRequest(page_size=-1, filter=ThreadFilter(thread_ids=["not good"] * 1001))
    answer = await refused(threads.ListThreads(request))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert {"page_size", "filter.thread_ids", "filter.thread_ids[0]"} <= set(answer.violations)
    assert answer.message.endswith(" more.")


async def test_a_forged_token_is_refused(threads: ThreadsServiceAsyncStub) -> None:
    for forged in FORGED:
        raw = orjson.dumps([1, paging.binding(ListThreadsRequest()), *forged])
        token = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        answer = await refused(threads.ListThreads(ListThreadsRequest(page_token=token)))
        assert answer.violations == {"page_token": "INVALID_PAGE_TOKEN"}, forged
