"""ThreadsService."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.duration_pb2 import Duration

from runwire.api.resource.v1.threads_pb2 import (
    THREAD_STATUS_IDLE,
    TTL_STRATEGY_KEEP_LATEST,
    CopyThreadRequest,
    CountThreadsRequest,
    CreateThreadRequest,
    DeleteThreadRequest,
    GetThreadRequest,
    ListThreadsRequest,
    PruneThreadsRequest,
    Thread,
    ThreadFilter,
    ThreadTtl,
    UpdateThreadRequest,
)
from tests.contract.scenarios.assistants import NO_GRAPH
from tests.contract.scenarios.marked import Marked
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listings,
    Provoked,
    Successes,
    ask,
    json_of,
    refused,
    unique,
    wrong,
)
from tests.harness.platform import Platform
from tests.harness.refused import refused as refusal


async def made_thread(platform: Platform, **fields: Any) -> Thread:
    """A thread."""
    created = await ask(platform, CreateThreadRequest(**fields))
    thread: Thread = created.thread
    return thread


async def run_thread(platform: Platform) -> Thread:
    """A thread on which the graph `steps` has run, with eight checkpoints: for the input, its start and each step."""
    thread = await made_thread(platform)
    await platform.run("steps", {"count": 0}, thread=thread.thread_id)
    return await platform.thread(thread.thread_id)


_MARKED = Marked(
    listing=ListThreadsRequest,
    counting=CountThreadsRequest,
    where=ThreadFilter,
    rows="threads",
    row_id="thread_id",
    make=made_thread,
)

# Successes


async def _creates(platform: Platform) -> Any:
    thread_id = unique()
    ttl = ThreadTtl(strategy=TTL_STRATEGY_KEEP_LATEST, duration=Duration(seconds=3600))
    response = await ask(platform, CreateThreadRequest(thread_id=thread_id, metadata=json_of('{"a":1}'), ttl=ttl))
    stored = response.thread
    assert (stored.thread_id, stored.status, stored.ttl) == (thread_id, THREAD_STATUS_IDLE, ttl)
    assert json.loads(stored.metadata.text) == {"a": 1}
    assert (stored.expire_time.ToDatetime() - stored.create_time.ToDatetime()).total_seconds() == 3600
    return response


async def _gets(platform: Platform) -> Any:
    thread = await made_thread(platform)
    await platform.run("echo", {"text": "hi"}, thread=thread.thread_id)
    response = await ask(platform, GetThreadRequest(thread_id=thread.thread_id))
    assert (response.thread.status, response.thread.graph_id) == (THREAD_STATUS_IDLE, "echo")
    assert json.loads(response.thread.values.text) == {"text": "echo: hi"}
    return response


async def _updates(platform: Platform) -> Any:
    made = await made_thread(platform, metadata=json_of('{"a":1,"b":1}'))
    response = await ask(platform, UpdateThreadRequest(thread_id=made.thread_id, metadata=json_of('{"b":2}')))
    assert json.loads(response.thread.metadata.text) == {"a": 1, "b": 2}
    return response


async def _deletes(platform: Platform) -> Any:
    made = await made_thread(platform)
    response = await ask(platform, DeleteThreadRequest(thread_id=made.thread_id))
    assert (await refusal(ask(platform, GetThreadRequest(thread_id=made.thread_id)))).reason == "THREAD_NOT_FOUND"
    return response


async def _copies(platform: Platform) -> Any:
    source = await run_thread(platform)
    response = await ask(platform, CopyThreadRequest(thread_id=source.thread_id))
    assert response.thread.thread_id != source.thread_id
    assert (response.thread.graph_id, response.thread.values) == ("steps", source.values)
    assert await _checkpoints(platform, response.thread.thread_id) == 8
    return response


async def _prunes(platform: Platform) -> Any:
    thread = await run_thread(platform)
    asked = PruneThreadsRequest(thread_ids=[thread.thread_id, ABSENT], strategy=TTL_STRATEGY_KEEP_LATEST)
    response = await ask(platform, asked)
    assert response.pruned_count == 1
    assert await _checkpoints(platform, thread.thread_id) == 1
    return response


async def _checkpoints(platform: Platform, thread_id: str) -> int:
    return int(await platform.pool.fetchval("SELECT count(*) FROM checkpoints WHERE thread_id = $1", thread_id))


SUCCESSES: Successes = {
    "CreateThread": _creates,
    "GetThread": _gets,
    "ListThreads": _MARKED.lists,
    "CountThreads": _MARKED.counts,
    "UpdateThread": _updates,
    "DeleteThread": _deletes,
    "CopyThread": _copies,
    "PruneThreads": _prunes,
}

# Errors


async def _id_taken(platform: Platform) -> Provoked:
    made = await made_thread(platform, thread_id=unique())
    another = CreateThreadRequest(thread_id=made.thread_id, metadata=json_of('{"another":1}'))
    return refused(another, id=made.thread_id)


async def _copy_to_a_taken_id(platform: Platform) -> Provoked:
    source, target = await made_thread(platform), await made_thread(platform)
    asked = CopyThreadRequest(thread_id=source.thread_id, target_thread_id=target.thread_id)
    return refused(asked, id=target.thread_id)


ERRORS: Errors = {
    ("CreateThread", "PAYLOAD_TOO_LARGE"): wrong(
        CreateThreadRequest(metadata=json_of('"' + "x" * 65536 + '"')), "metadata"
    ),
    ("CreateThread", "ID_REUSED"): _id_taken,
    ("CreateThread", "GRAPH_NOT_FOUND"): refused(CreateThreadRequest(graph_id=NO_GRAPH), graph_id=NO_GRAPH),
    ("GetThread", "UNKNOWN_ENUM_VALUE"): wrong(
        GetThreadRequest(thread_id="t", view=9),  # type: ignore[arg-type]
        "view",
    ),
    ("GetThread", "THREAD_NOT_FOUND"): refused(GetThreadRequest(thread_id=ABSENT), thread_id=ABSENT),
    ("ListThreads", "FIELD_INVALID"): wrong(
        ListThreadsRequest(filter=ThreadFilter(thread_ids=["a b"])), "filter.thread_ids[0]"
    ),
    ("CountThreads", "UNKNOWN_ENUM_VALUE"): wrong(
        CountThreadsRequest(filter=ThreadFilter(status=9)),  # type: ignore[arg-type]
        "filter.status",
    ),
    ("UpdateThread", "FIELDS_CONFLICT"): wrong(
        UpdateThreadRequest(thread_id="t", ttl=ThreadTtl(duration=Duration(seconds=60)), clear_ttl=True), "clear_ttl"
    ),
    ("UpdateThread", "THREAD_NOT_FOUND"): refused(UpdateThreadRequest(thread_id=ABSENT), thread_id=ABSENT),
    ("DeleteThread", "FIELD_REQUIRED"): wrong(DeleteThreadRequest(), "thread_id"),
    ("DeleteThread", "THREAD_NOT_FOUND"): refused(DeleteThreadRequest(thread_id=ABSENT), thread_id=ABSENT),
    ("CopyThread", "FIELD_INVALID"): wrong(
        CopyThreadRequest(thread_id="t", target_thread_id="a b"), "target_thread_id"
    ),
    ("CopyThread", "THREAD_NOT_FOUND"): refused(CopyThreadRequest(thread_id=ABSENT), thread_id=ABSENT),
    ("CopyThread", "ID_REUSED"): _copy_to_a_taken_id,
    ("PruneThreads", "FIELD_OUT_OF_RANGE"): wrong(PruneThreadsRequest(thread_ids=["t"] * 1001), "thread_ids"),
}

# Pages


LISTINGS: Listings = {"ListThreads": _MARKED.many}
