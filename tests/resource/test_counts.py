from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from runwire.api.resource.v1.assistants_pb2 import AssistantFilter, CountAssistantsRequest
from runwire.api.resource.v1.threads_pb2 import CountThreadsRequest, ThreadFilter, ThreadStatus
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from tests.resource.conftest import Rows
from tests.resource.refusals import refused

if TYPE_CHECKING:
    from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceAsyncStub
    from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceAsyncStub


async def test_assistants_are_counted_by_the_filters_of_their_list(
    assistants: AssistantsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    async def count(**filter: object) -> int:
        request = CountAssistantsRequest(filter=AssistantFilter(**filter))  # type: ignore[arg-type]
        return (await assistants.CountAssistants(request)).count

    assert await count() == 0
    await rows.graph("agent")
    await rows.graph("other")
    await rows.assistant("mine", "agent")
    await rows.assistant("theirs", "agent", tenant="other")
    await pool.execute("UPDATE assistant_versions SET metadata = '{\"a\": 1}' WHERE assistant_id = 'mine'")
    assert await count() == 3
    assert await count(graph_id="agent") == 2
    assert await count(name_contains="THE") == 1
    assert await count(metadata_contains=Json(text='{"a": 1}')) == 1
    assert await count(metadata_contains=Json(text='{"a": 2}')) == 0


async def test_threads_are_counted_by_the_filters_of_their_list(
    threads: ThreadsServiceAsyncStub, rows: Rows, pool: Pool
) -> None:
    async def count(**filter: object) -> int:
        request = CountThreadsRequest(filter=ThreadFilter(**filter))  # type: ignore[arg-type]
        return (await threads.CountThreads(request)).count

    assert await count() == 0
    await pool.execute(
        "INSERT INTO threads (tenant, thread_id, metadata, values) VALUES"
        " ('default', 't-1', '{\"a\": 1}', '{\"v\": 1}'), ('default', 't-2', '{}', '{\"v\": 1}'),"
        " ('default', 't-3', '{}', NULL), ('other', 't-4', '{}', NULL)"
    )
    await rows.run("t-3", await rows.graph("agent"))
    assert await count() == 3
    assert await count(thread_ids=["t-1", "t-3", "t-4"]) == 2
    assert await count(status=ThreadStatus.THREAD_STATUS_BUSY) == 1
    assert await count(status=ThreadStatus.THREAD_STATUS_IDLE) == 2
    assert await count(metadata_contains=Json(text='{"a": 1}')) == 1
    assert await count(values_contain=Json(text='{"v": 1}')) == 2


async def test_wrong_filters_are_refused_with_all_violations(
    threads: ThreadsServiceAsyncStub, assistants: AssistantsServiceAsyncStub
) -> None:
    wrong = AssistantFilter(graph_id="no spaces", name_contains="\0", metadata_contains=Json(text="1"))
    answer = await refused(assistants.CountAssistants(CountAssistantsRequest(filter=wrong)))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "filter.graph_id": "FIELD_INVALID",
        "filter.name_contains": "FIELD_INVALID",
        "filter.metadata_contains": "INVALID_JSON",
    }
    filter = ThreadFilter(thread_ids=[""], status=9, metadata_contains=Json(), values_contain=Json(text="[]"))  # type: ignore[arg-type]
    answer = await refused(threads.CountThreads(CountThreadsRequest(filter=filter)))
    assert answer.code == grpc.StatusCode.INVALID_ARGUMENT
    assert answer.violations == {
        "filter.thread_ids[0]": "FIELD_REQUIRED",
        "filter.status": "UNKNOWN_ENUM_VALUE",
        "filter.metadata_contains": "INVALID_JSON",
        "filter.values_contain": "INVALID_JSON",
    }
