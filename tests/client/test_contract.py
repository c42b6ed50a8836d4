"""Every RPC of the contract has its method: what it sends, and that all fields of its answer are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import NoneType
from typing import Any

import grpc
import grpc_testing
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2, thread_state_pb2, workers_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.client import SyncClient, errors, events, results
from runwire.client.codec import json_of
from runwire.client.wire import BlockingWire

FILES = [runs_pb2, crons_pb2, thread_state_pb2, workers_pb2, assistants_pb2, store_pb2, threads_pb2, stream_pb2]
METHODS = [m for file in FILES for s in file.DESCRIPTOR.services_by_name.values() for m in s.methods]

Call = Callable[[SyncClient], Any]
CALLS: dict[str, tuple[Call, type, dict[str, Any]]] = {
    "CreateAssistant": (lambda c: c.assistants.create("g", name="n"), results.Assistant, {"graph_id": "g"}),
    "GetAssistant": (lambda c: c.assistants.get("a"), results.Assistant, {"assistant_id": "a"}),
    "ListAssistants": (lambda c: next(c.assistants.search(limit=3)), results.Assistant, {"page_size": 3}),
    "CountAssistants": (lambda c: c.assistants.count(name="n"), int, {}),
    "UpdateAssistant": (lambda c: c.assistants.update("a", if_version=2), results.Assistant, {"if_version": 2}),
    "DeleteAssistant": (lambda c: c.assistants.delete("a", delete_threads=True), NoneType, {"delete_threads": True}),
    "ListAssistantVersions": (
        lambda c: next(c.assistants.get_versions("a")),
        results.AssistantVersion,
        {"assistant_id": "a"},
    ),
    "SetLatestAssistantVersion": (lambda c: c.assistants.set_latest("a", 3), results.Assistant, {"version": 3}),
    "GetAssistantGraph": (lambda c: c.assistants.get_graph("a", xray=2), results.Graph, {"xray_depth": 2}),
    "GetAssistantSchemas": (lambda c: c.assistants.get_schemas("a"), results.GraphSchemas, {"assistant_id": "a"}),
    "ListAssistantSubgraphs": (
        lambda c: next(c.assistants.get_subgraphs("a", "s", recurse=True)),
        results.Subgraph,
        {"namespace": "s", "recurse": True},
    ),
    "CreateThread": (lambda c: c.threads.create(thread_id="t"), results.Thread, {"thread_id": "t"}),
    "GetThread": (
        lambda c: c.threads.get("t", view="basic"),
        results.Thread,
        {"view": threads_pb2.THREAD_VIEW_BASIC},
    ),
    "ListThreads": (
        lambda c: next(c.threads.search(status="busy", sort_order="ascending")),
        results.Thread,
        {"filter": threads_pb2.ThreadFilter(status=threads_pb2.THREAD_STATUS_BUSY), "page_size": 100},
    ),
    "CountThreads": (lambda c: c.threads.count(ids=["t"]), int, {"filter": threads_pb2.ThreadFilter(thread_ids=["t"])}),
    "UpdateThread": (lambda c: c.threads.update("t", clear_ttl=True), results.Thread, {"clear_ttl": True}),
    "DeleteThread": (lambda c: c.threads.delete("t"), NoneType, {"thread_id": "t"}),
    "CopyThread": (lambda c: c.threads.copy("t", "u"), results.Thread, {"thread_id": "t", "target_thread_id": "u"}),
    "PruneThreads": (
        lambda c: c.threads.prune(["t"], strategy="keep_latest"),
        int,
        {"thread_ids": ["t"], "strategy": threads_pb2.TTL_STRATEGY_KEEP_LATEST},
    ),
    "GetThreadState": (
        lambda c: c.threads.get_state("t", subgraphs=True),
        results.ThreadState,
        {"thread_id": "t", "subgraphs": True},
    ),
    "ListThreadHistory": (
        lambda c: next(c.threads.get_history("t", checkpoint_ns="n")),
        results.ThreadState,
        {"checkpoint_ns": "n", "page_size": 10},
    ),
    "UpdateThreadState": (
        lambda c: c.threads.update_state("t", as_node="n"),
        results.CheckpointRef,
        {"updates": [thread_state_pb2.StateUpdate(as_node="n")]},
    ),
    "CreateRun": (lambda c: c.runs.create("t", "a", run_id="r"), results.Run, {"run_id": "r", "thread_id": "t"}),
    "BatchCreateRuns": (lambda c: c.runs.create_batch([{"assistant_id": "a"}])[0], results.Run, {}),
    "GetRun": (lambda c: c.runs.get("r"), results.Run, {"run_id": "r"}),
    "ListRuns": (lambda c: next(c.runs.list("t")), results.Run, {"filter": runs_pb2.RunFilter(thread_id="t")}),
    "CountRuns": (lambda c: c.runs.count("t"), int, {"filter": runs_pb2.RunFilter(thread_id="t")}),
    "CancelRun": (lambda c: c.runs.cancel("r"), results.Run, {"run_id": "r"}),
    "BatchCancelRuns": (lambda c: c.runs.cancel_many(thread_id="t")[0], results.Run, {"thread_id": "t"}),
    "DeleteRun": (lambda c: c.runs.delete("r"), NoneType, {"run_id": "r"}),
    "ListWebhookDeliveries": (
        lambda c: next(c.runs.list_webhook_deliveries("r", state="failed")),
        results.WebhookDelivery,
        {"run_id": "r", "state": runs_pb2.WEBHOOK_DELIVERY_STATE_FAILED},
    ),
    "CreateCron": (
        lambda c: c.crons.create_for_thread("t", "a", schedule="* * * * *", timezone="Europe/Paris", input=1),
        results.Cron,
        {"schedule": "* * * * *", "time_zone": "Europe/Paris", "enabled": True},
    ),
    "GetCron": (lambda c: c.crons.get("c"), results.Cron, {"cron_id": "c"}),
    "ListCrons": (
        lambda c: next(c.crons.search(enabled=False)),
        results.Cron,
        {"filter": crons_pb2.CronFilter(enabled=False)},
    ),
    "CountCrons": (lambda c: c.crons.count(thread_id="t"), int, {"filter": crons_pb2.CronFilter(thread_id="t")}),
    "UpdateCron": (
        lambda c: c.crons.update("c", run={"assistant_id": "a"}, clear_end_time=True),
        results.Cron,
        {"run": runs_pb2.CreateRunRequest(assistant_id="a"), "clear_end_time": True},
    ),
    "DeleteCron": (lambda c: c.crons.delete("c"), NoneType, {"cron_id": "c"}),
    "PutItem": (
        lambda c: c.store.put_item(["a", "b"], "k", {"v": 1}, index=False),
        results.Item,
        {"namespace": ["a", "b"], "key": "k", "index": store_pb2.ItemIndex(off=True)},
    ),
    "GetItem": (lambda c: c.store.get_item(["a"], "k", refresh_ttl=False), results.Item, {"refresh_ttl": False}),
    "DeleteItem": (lambda c: c.store.delete_item(["a"], "k"), NoneType, {"namespace": ["a"], "key": "k"}),
    "SearchItems": (
        lambda c: next(c.store.search_items(["a"], query="q", limit=5)),
        results.FoundItem,
        {"namespace_prefix": ["a"], "query": "q", "page_size": 5},
    ),
    "ListNamespaces": (lambda c: next(c.store.list_namespaces(max_depth=2)), tuple, {"max_depth": 2}),
    "ListWorkers": (lambda c: next(c.workers.search(graph_id="g")), results.Worker, {"graph_id": "g"}),
    "WaitRun": (lambda c: c.runs.join("r"), results.Outcome, {"run_id": "r"}),
    "StreamRun": (
        lambda c: next(c.runs.join_stream("r", namespaces=[["a", "b"]])),
        events.Started,
        {"run_id": "r", "namespaces": [stream_pb2.Namespace(path=["a", "b"])]},
    ),
    "StreamThread": (
        lambda c: next(c.threads.join_stream("t", lifecycle_only=True)),
        events.Started,
        {"thread_id": "t", "lifecycle_only": True},
    ),
}


@pytest.fixture
def channel() -> Any:
    services = [service for file in FILES for service in file.DESCRIPTOR.services_by_name.values()]
    return grpc_testing.channel(services, grpc_testing.strict_real_time())


@pytest.fixture
def client(channel: Any) -> SyncClient:
    return SyncClient(channel, channel, channel, BlockingWire(metadata=(("who", "me"),)))


@pytest.fixture
def caller() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_an_rpc_is_called_and_its_answer_is_read(
    method: MethodDescriptor, channel: Any, client: SyncClient, caller: ThreadPoolExecutor
) -> None:
    call, kind, expected = CALLS[method.name]
    result = caller.submit(call, client)
    request = answer(channel, method)
    assert type(request) is GetMessageClass(method.input_type)
    assert {name: getattr(request, name) for name in expected} == expected
    assert isinstance(result.result(10), kind)


def answer(channel: Any, method: MethodDescriptor) -> Message:
    """Takes a call and answers it with a message whose fields are all set."""
    response = filled(GetMessageClass(method.output_type)())
    if method.server_streaming:
        metadata, request, rpc = channel.take_unary_stream(method)
        rpc.send_initial_metadata(())
        rpc.send_response(response)
    else:
        metadata, request, rpc = channel.take_unary_unary(method)
        rpc.terminate(response, (), grpc.StatusCode.OK, "")
    assert ("who", "me") in metadata
    found: Message = request
    return found


def filled(message: Message, depth: int = 0) -> Message:
    """Sets every field, of a oneof the first."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is None or field == field.containing_oneof.fields[0]:
            fill(message, field, depth)
    return message


def fill(message: Message, field: Any, depth: int) -> None:
    target = getattr(message, field.name)
    if not field.message_type:
        value = SAMPLES[field.cpp_type]
        target.append(value) if field.is_repeated else setattr(message, field.name, value)
    elif field.message_type.GetOptions().map_entry:
        target["key"] = "value"
    elif depth < 4:
        part = target.add() if field.is_repeated else target
        part.SetInParent()
        if known := KNOWN.get(part.DESCRIPTOR.name):
            part.CopyFrom(known)
        else:
            filled(part, depth + 1)


SAMPLES: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_STRING: "text",
    FieldDescriptor.CPPTYPE_BOOL: True,
    FieldDescriptor.CPPTYPE_DOUBLE: 0.5,
    FieldDescriptor.CPPTYPE_INT32: 3,
    FieldDescriptor.CPPTYPE_INT64: 2**40,
    FieldDescriptor.CPPTYPE_ENUM: 1,
}
KNOWN: dict[str, Message] = {
    "Json": json_of({"k": 1}),
    "Timestamp": Timestamp(seconds=1_700_000_000),
    "Duration": Duration(seconds=60),
}


def test_a_call_that_is_not_served_says_so(channel: Any, client: SyncClient, caller: ThreadPoolExecutor) -> None:
    result = caller.submit(client.runs.get, "r")
    method = next(each for each in METHODS if each.name == "GetRun")
    _, _, rpc = channel.take_unary_unary(method)
    rpc.terminate(None, (), grpc.StatusCode.UNIMPLEMENTED, "not served")
    with pytest.raises(errors.Unimplemented, match="not served"):
        result.result(10)
