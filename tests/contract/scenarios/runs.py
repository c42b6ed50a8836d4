"""RunsService."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1.runs_pb2 import (
    WEBHOOK_DELIVERY_STATE_FAILED,
    BatchCancelRunsRequest,
    BatchCreateRunsRequest,
    CancelRunRequest,
    CountRunsRequest,
    CreateRunRequest,
    DeleteRunRequest,
    GetRunRequest,
    ListRunsRequest,
    ListWebhookDeliveriesRequest,
    RunFilter,
    Webhook,
)
from runwire.api.type.v1.run_pb2 import (
    MULTITASK_STRATEGY_REJECT,
    RUN_STATUS_CANCELLED,
    RUN_STATUS_PENDING,
    RUN_STATUS_SUCCESS,
    CheckpointRef,
    Command,
    Run,
)
from runwire.core.ids import default_assistant_id
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listing,
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

LATER = Duration(seconds=3600)
"""A start delay: the run is active, and no worker takes it."""
UNWILLING = "http://127.0.0.1:9/hook"
"""Where nobody takes webhooks."""


async def waiting_run(platform: Platform, **fields: Any) -> Run:
    """A run that is not due for an hour."""
    return await platform.create("echo", {"text": "later"}, start_delay=LATER, **fields)


async def ended_run(platform: Platform, **fields: Any) -> Run:
    """A run that has ended well."""
    return (await platform.run("echo", {"text": "hi"}, **fields)).run


# Successes


async def _creates(platform: Platform) -> Any:
    run_id = unique()
    asked = CreateRunRequest(run_id=run_id, assistant_id="echo", metadata=json_of('{"a":1}'), start_delay=LATER)
    response = await ask(platform, asked)
    run = response.run
    assert (run.run_id, run.assistant_id, run.graph_id) == (run_id, default_assistant_id("echo"), "echo")
    assert (run.status, run.attempts, run.assistant_version) == (RUN_STATUS_PENDING, 0, 1)
    assert json.loads(run.metadata.text) == {"a": 1}
    return response


async def _creates_many(platform: Platform) -> Any:
    thread = unique()
    first = CreateRunRequest(assistant_id="echo", thread_id=thread, if_thread_missing=2, start_delay=LATER)  # type: ignore[arg-type]
    second = CreateRunRequest(assistant_id="steps", thread_id=thread, start_delay=LATER)
    response = await ask(platform, BatchCreateRunsRequest(requests=[first, second]))
    assert [(run.graph_id, run.thread_id) for run in response.runs] == [("echo", thread), ("steps", thread)]
    return response


async def _gets(platform: Platform) -> Any:
    ended = await ended_run(platform)
    response = await ask(platform, GetRunRequest(run_id=ended.run_id))
    assert response.run == ended
    assert (response.run.status, response.run.attempts) == (RUN_STATUS_SUCCESS, 1)
    return response


async def _lists(platform: Platform) -> Any:
    run = await waiting_run(platform, thread=unique())
    response = await ask(platform, ListRunsRequest(filter=RunFilter(thread_id=run.thread_id)))
    assert list(response.runs) == [run]
    return response


async def _counts(platform: Platform) -> Any:
    thread = unique()
    for _ in range(3):
        await waiting_run(platform, thread=thread)
    where = RunFilter(thread_id=thread, statuses=[RUN_STATUS_PENDING])
    response = await ask(platform, CountRunsRequest(filter=where))
    assert response.count == 3
    return response


async def _cancels(platform: Platform) -> Any:
    run = await waiting_run(platform)
    response = await ask(platform, CancelRunRequest(run_id=run.run_id))
    assert (response.run.run_id, response.run.status) == (run.run_id, RUN_STATUS_CANCELLED)
    return response


async def _cancels_many(platform: Platform) -> Any:
    thread = unique()
    runs = [await waiting_run(platform, thread=thread) for _ in range(2)]
    response = await ask(platform, BatchCancelRunsRequest(thread_id=thread))
    assert {run.run_id for run in response.runs} == {run.run_id for run in runs}
    assert {run.status for run in response.runs} == {RUN_STATUS_CANCELLED}
    return response


async def _deletes(platform: Platform) -> Any:
    run = await ended_run(platform)
    response = await ask(platform, DeleteRunRequest(run_id=run.run_id))
    assert (await refusal(ask(platform, GetRunRequest(run_id=run.run_id)))).reason == "RUN_NOT_FOUND"
    return response


async def _lists_deliveries(platform: Platform) -> Any:
    run = await ended_run(platform, webhook=Webhook(url=UNWILLING))
    response = await ask(platform, ListWebhookDeliveriesRequest(run_id=run.run_id))
    assert [(delivery.run_id, delivery.url) for delivery in response.deliveries] == [(run.run_id, UNWILLING)]
    return response


SUCCESSES: Successes = {
    "CreateRun": _creates,
    "BatchCreateRuns": _creates_many,
    "GetRun": _gets,
    "ListRuns": _lists,
    "CountRuns": _counts,
    "CancelRun": _cancels,
    "BatchCancelRuns": _cancels_many,
    "DeleteRun": _deletes,
    "ListWebhookDeliveries": _lists_deliveries,
}

# Errors

_WRONG_IN_FIVE_WAYS = CreateRunRequest(
    run_id="no-uuid",
    input=json_of("{"),
    run_timeout=Duration(seconds=-1),
    stream_modes=[99, 0],  # type: ignore[list-item]
)


def _second(request: CreateRunRequest) -> BatchCreateRunsRequest:
    """A batch with the request behind one that is fine."""
    fine = CreateRunRequest(assistant_id="echo", start_delay=LATER)
    return BatchCreateRunsRequest(requests=[fine, request])


async def _unknown_checkpoint(platform: Platform) -> tuple[CreateRunRequest, dict[str, str]]:
    run = await ended_run(platform, thread=unique())
    ref = CheckpointRef(checkpoint_id=ABSENT)
    request = CreateRunRequest(assistant_id="echo", thread_id=run.thread_id, checkpoint=ref)
    return request, {"thread_id": run.thread_id, "checkpoint_id": ABSENT}


async def _id_taken(platform: Platform) -> tuple[CreateRunRequest, dict[str, str]]:
    run = await waiting_run(platform)
    return CreateRunRequest(run_id=run.run_id, assistant_id="steps"), {"id": run.run_id}


async def _busy_thread(platform: Platform) -> tuple[CreateRunRequest, dict[str, str]]:
    run = await waiting_run(platform, thread=unique())
    request = CreateRunRequest(
        assistant_id="echo", thread_id=run.thread_id, multitask_strategy=MULTITASK_STRATEGY_REJECT
    )
    return request, {"thread_id": run.thread_id}


async def _no_assistant(_: Platform) -> tuple[CreateRunRequest, dict[str, str]]:
    return CreateRunRequest(assistant_id=ABSENT), {"assistant_id": ABSENT}


async def _no_thread(_: Platform) -> tuple[CreateRunRequest, dict[str, str]]:
    return CreateRunRequest(assistant_id="echo", thread_id=ABSENT), {"thread_id": ABSENT}


_OF_CREATION = {
    "ASSISTANT_NOT_FOUND": _no_assistant,
    "THREAD_NOT_FOUND": _no_thread,
    "CHECKPOINT_NOT_FOUND": _unknown_checkpoint,
    "ID_REUSED": _id_taken,
    "THREAD_BUSY": _busy_thread,
}


def _alone(provoke: Any) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        request, metadata = await provoke(platform)
        return refused(request, **metadata)

    return scenario


def _in_a_batch(provoke: Any) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        request, metadata = await provoke(platform)
        return refused(_second(request), **metadata, index="1")

    return scenario


async def _delete_unfinished(platform: Platform) -> Provoked:
    run = await waiting_run(platform)
    return refused(DeleteRunRequest(run_id=run.run_id), run_id=run.run_id)


ERRORS: Errors = {
    ("CreateRun", "INVALID_REQUEST"): wrong(
        _WRONG_IN_FIVE_WAYS, "run_id", "assistant_id", "input", "run_timeout", "stream_modes[0]", "stream_modes[1]"
    ),
    ("CreateRun", "FIELD_REQUIRED"): wrong(
        CreateRunRequest(assistant_id="echo", command=Command(resume=json_of("1"))), "thread_id"
    ),
    **{("CreateRun", reason): _alone(provoke) for reason, provoke in _OF_CREATION.items()},
    ("BatchCreateRuns", "FIELDS_CONFLICT"): wrong(
        BatchCreateRunsRequest(requests=[CreateRunRequest(run_id=ABSENT, assistant_id="echo")] * 2),
        "requests[1].run_id",
    ),
    ("BatchCreateRuns", "INVALID_JSON"): wrong(
        _second(CreateRunRequest(assistant_id="echo", input=json_of("{"))), "requests[1].input"
    ),
    **{("BatchCreateRuns", reason): _in_a_batch(provoke) for reason, provoke in _OF_CREATION.items()},
    ("GetRun", "FIELD_INVALID"): wrong(GetRunRequest(run_id="x"), "run_id"),
    ("GetRun", "RUN_NOT_FOUND"): refused(GetRunRequest(run_id=ABSENT), run_id=ABSENT),
    ("ListRuns", "UNKNOWN_ENUM_VALUE"): wrong(
        ListRunsRequest(filter=RunFilter(statuses=[99])),  # type: ignore[list-item]
        "filter.statuses[0]",
    ),
    ("CountRuns", "INVALID_JSON"): wrong(
        CountRunsRequest(filter=RunFilter(metadata_contains=json_of("1"))), "filter.metadata_contains"
    ),
    ("CancelRun", "UNKNOWN_ENUM_VALUE"): wrong(
        CancelRunRequest(run_id=ABSENT, action=9),  # type: ignore[arg-type]
        "action",
    ),
    ("CancelRun", "RUN_NOT_FOUND"): refused(CancelRunRequest(run_id=ABSENT), run_id=ABSENT),
    ("BatchCancelRuns", "FIELD_REQUIRED"): wrong(BatchCancelRunsRequest(), "run_ids"),
    ("BatchCancelRuns", "FIELDS_CONFLICT"): wrong(BatchCancelRunsRequest(run_ids=[ABSENT], thread_id="t"), "thread_id"),
    ("DeleteRun", "FIELD_REQUIRED"): wrong(DeleteRunRequest(), "run_id"),
    ("DeleteRun", "RUN_NOT_FOUND"): refused(DeleteRunRequest(run_id=ABSENT), run_id=ABSENT),
    ("DeleteRun", "RUN_NOT_FINISHED"): _delete_unfinished,
    ("ListWebhookDeliveries", "FIELD_INVALID"): wrong(ListWebhookDeliveriesRequest(run_id="x"), "run_id"),
}

# Pages


async def _many_runs(platform: Platform) -> Listing:
    thread = unique()
    made = [(await waiting_run(platform, thread=thread)).run_id for _ in range(5)]
    return Listing(
        request=ListRunsRequest(filter=RunFilter(thread_id=thread)),
        rows="runs",
        name=lambda run: str(run.run_id),
        expected=made[::-1],
        other=ListRunsRequest(),
    )


async def _many_deliveries(platform: Platform) -> Listing:
    run_id = unique()
    given_up = (
        "INSERT INTO webhook_deliveries (tenant, run_id, webhook, state, next_attempt_at, settled_at)"
        " VALUES ('default', $1, '', 'failed', NULL, now()) RETURNING delivery_id::text"
    )
    made = [await platform.pool.fetchval(given_up, run_id) for _ in range(5)]
    return Listing(
        request=ListWebhookDeliveriesRequest(run_id=run_id, state=WEBHOOK_DELIVERY_STATE_FAILED),
        rows="deliveries",
        name=lambda delivery: str(delivery.delivery_id),
        expected=made[::-1],
        other=ListWebhookDeliveriesRequest(run_id=run_id),
    )


LISTINGS: Listings = {"ListRuns": _many_runs, "ListWebhookDeliveries": _many_deliveries}
