"""Checks and merging, as tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest, Webhook
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Breakpoints, CheckpointRef, Command, Goto, RunConfig
from runwire.core.errors import InvalidRequest
from runwire.dispatch.assistants import Assistant
from runwire.dispatch.run_requests import check, digest, effective, merge_configs, merge_objects
from tests.dispatch.factories import a_run

BAD = [
    ({"assistant_id": ""}, "assistant_id", "FIELD_REQUIRED"),
    ({"assistant_id": "a b"}, "assistant_id", "FIELD_INVALID"),
    ({"run_id": "7"}, "run_id", "FIELD_INVALID"),
    ({"thread_id": "x" * 129}, "thread_id", "FIELD_INVALID"),
    ({"input": Json(text="{")}, "input", "INVALID_JSON"),
    ({"input": Json(text='"' + "x" * (16 * 1024 * 1024) + '"')}, "input", "PAYLOAD_TOO_LARGE"),
    ({"command": Command()}, "command", "FIELD_REQUIRED"),
    ({"command": Command(resume=Json(text="1"))}, "thread_id", "FIELD_REQUIRED"),
    ({"command": Command(update=Json(text="1"))}, "command.update", "INVALID_JSON"),
    ({"command": Command(goto=[Goto()])}, "command.goto[0].node", "FIELD_REQUIRED"),
    ({"command": Command(goto=[Goto(node="a", input=Json())])}, "command.goto[0].input", "INVALID_JSON"),
    ({"config": RunConfig(tags=["t"] * 65)}, "config.tags", "FIELD_OUT_OF_RANGE"),
    ({"config": RunConfig(tags=["t" * 129])}, "config.tags[0]", "PAYLOAD_TOO_LARGE"),
    ({"config": RunConfig(recursion_limit=0)}, "config.recursion_limit", "FIELD_OUT_OF_RANGE"),
    ({"config": RunConfig(configurable=Json(text="[]"))}, "config.configurable", "INVALID_JSON"),
    *(
        ({"config": RunConfig(configurable=Json(text=f'{{"{key}":1}}'))}, "config.configurable", "FIELD_INVALID")
        for key in ("thread_id", "run_id", "checkpoint_id", "graph_id", "__pregel_send", "langgraph_auth")
    ),
    ({"context": Json(text="3")}, "context", "INVALID_JSON"),
    (
        {"context": Json(text="{}"), "config": RunConfig(configurable=Json(text="{}"))},
        "context",
        "FIELDS_CONFLICT",
    ),
    ({"metadata": Json(text="null")}, "metadata", "INVALID_JSON"),
    ({"metadata": Json(text='{"a":"' + "x" * 65536 + '"}')}, "metadata", "PAYLOAD_TOO_LARGE"),
    ({"checkpoint": CheckpointRef(checkpoint_id="1")}, "thread_id", "FIELD_REQUIRED"),
    ({"checkpoint": CheckpointRef(), "thread_id": "t"}, "checkpoint.checkpoint_id", "FIELD_REQUIRED"),
    (
        {"checkpoint": CheckpointRef(checkpoint_id="1" * 129), "thread_id": "t"},
        "checkpoint.checkpoint_id",
        "FIELD_INVALID",
    ),
    (
        {"checkpoint": CheckpointRef(checkpoint_id="1", checkpoint_ns="n" * 4097), "thread_id": "t"},
        "checkpoint.checkpoint_ns",
        "PAYLOAD_TOO_LARGE",
    ),
    (
        {"checkpoint": CheckpointRef(checkpoint_id="1", checkpoint_ns="\0"), "thread_id": "t"},
        "checkpoint.checkpoint_ns",
        "FIELD_INVALID",
    ),
    ({"start_delay": Duration(seconds=-1)}, "start_delay", "FIELD_OUT_OF_RANGE"),
    ({"start_delay": Duration(seconds=30 * 86_400 + 1)}, "start_delay", "FIELD_OUT_OF_RANGE"),
    ({"webhook": Webhook(url="ftp://example.org")}, "webhook.url", "FIELD_INVALID"),
    ({"interrupt_before": Breakpoints(nodes=["a"] * 257)}, "interrupt_before.nodes", "FIELD_OUT_OF_RANGE"),
    ({"interrupt_after": Breakpoints(nodes=[""])}, "interrupt_after.nodes[0]", "FIELD_REQUIRED"),
    (
        {"interrupt_before": Breakpoints(all_nodes=True, nodes=["a"])},
        "interrupt_before.nodes",
        "FIELDS_CONFLICT",
    ),
    ({"stream_modes": [0]}, "stream_modes[0]", "FIELD_INVALID"),
    ({"stream_modes": [99]}, "stream_modes[0]", "UNKNOWN_ENUM_VALUE"),
    ({"durability": 9}, "durability", "UNKNOWN_ENUM_VALUE"),
    ({"multitask_strategy": 9}, "multitask_strategy", "UNKNOWN_ENUM_VALUE"),
    ({"if_thread_missing": 9}, "if_thread_missing", "UNKNOWN_ENUM_VALUE"),
    ({"on_completion": 9}, "on_completion", "UNKNOWN_ENUM_VALUE"),
    ({"on_completion": 2, "thread_id": "t"}, "on_completion", "FIELDS_CONFLICT"),
    ({"event_log": 9}, "event_log", "UNKNOWN_ENUM_VALUE"),
    ({"run_timeout": Duration(nanos=5)}, "run_timeout", "FIELD_OUT_OF_RANGE"),
    ({"run_timeout": Duration(seconds=700_000)}, "run_timeout", "FIELD_OUT_OF_RANGE"),
]


@pytest.mark.parametrize(("fields", "field", "reason"), BAD, ids=[f"{row[1]}-{row[2]}" for row in BAD])
def test_a_wrong_field_is_refused_by_name(fields: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(a_run(**fields))
    assert [(v.field, v.reason) for v in caught.value.violations] == [(field, reason)]


GOOD: list[dict[str, object]] = [
    {},
    {"command": Command(resume=Json(text="null")), "thread_id": "t"},
    {"command": Command(goto=[Goto(node="a", input=Json(text="1"))], update=Json(text="{}"))},
    {"config": RunConfig(tags=["t" * 128] * 64, recursion_limit=10_000)},
    {"on_completion": 2},
    {"run_timeout": Duration(seconds=1)},
    {"start_delay": Duration(seconds=30 * 86_400)},
    {"multitask_strategy": 3},
    {"multitask_strategy": 4, "thread_id": "t"},
    {"checkpoint": CheckpointRef(checkpoint_id="1", checkpoint_ns="node:task"), "thread_id": "t"},
    {"stream_modes": [1, 2, 3, 4, 5, 6, 7]},
    {"input": Json(text="null")},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_is_allowed_passes(fields: dict[str, object]) -> None:
    check(a_run(**fields))


def test_a_nested_request_names_its_place() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check(CreateRunRequest(), "requests[3]")
    assert caught.value.violations[0].field == "requests[3].assistant_id"


def test_the_digest_leaves_out_the_run_id_alone() -> None:
    with_id = a_run(run_id="01890a5d-ac96-774b-bcce-b302099a8057")
    assert digest(with_id) == digest(a_run())
    assert digest(with_id) != digest(a_run(thread_id="t"))
    assert with_id.run_id


@pytest.mark.parametrize(
    ("lower", "upper", "merged"),
    [
        (None, None, None),
        ('{"a": 1}', None, '{"a": 1}'),
        (None, '{ "b":2 }', '{ "b":2 }'),
        ('{"a":1,"b":{"x":1}}', '{"b":{"y":2},"c":1.0}', '{"a":1,"b":{"y":2},"c":1.0}'),
        ('{"a":123456789012345678901234567890}', '{"é":1}', '{"a":123456789012345678901234567890,"é":1}'),
    ],
)
def test_objects_are_merged_key_by_key(lower: str | None, upper: str | None, merged: str | None) -> None:
    assert merge_objects(lower, upper) == merged


def test_configs_are_merged_field_by_field() -> None:
    lower = RunConfig(tags=["a", "b"], recursion_limit=10, configurable=Json(text='{"x":1,"y":1}'))
    upper = RunConfig(tags=["b", "c"], configurable=Json(text='{"y":2}'))
    assert merge_configs(lower, upper) == RunConfig(
        tags=["a", "b", "c"], recursion_limit=10, configurable=Json(text='{"x":1,"y":2}')
    )


def test_the_upper_recursion_limit_wins() -> None:
    merged = merge_configs(RunConfig(recursion_limit=10), RunConfig(recursion_limit=3))
    assert merged.recursion_limit == 3


def _assistant() -> Assistant:
    return Assistant(
        assistant_id="helper",
        version=2,
        graph_id="agent",
        config=RunConfig(tags=["a"]),
        context='{"user":"a"}',
        metadata="{}",
        created_at=datetime.now(UTC),
    )


def test_the_effective_request_says_ids_and_defaults() -> None:
    order = check(a_run())
    merged = effective(order, _assistant())
    assert (merged.run_id, merged.thread_id, merged.assistant_id) == (str(order.run_id), "", "helper")
    assert list(merged.stream_modes) == [run_pb2.STREAM_MODE_VALUES]
    assert merged.durability == run_pb2.DURABILITY_ASYNC
    assert merged.event_log == runs_pb2.EVENT_LOG_ON
    assert merged.on_completion == runs_pb2.ON_COMPLETION_DELETE
    assert (list(merged.config.tags), merged.context.text) == (["a"], '{"user":"a"}')


def test_the_effective_request_of_a_kept_run_names_its_thread() -> None:
    order = check(a_run(on_completion=runs_pb2.ON_COMPLETION_KEEP))
    assert effective(order, _assistant()).thread_id == str(order.run_id)


def test_the_order_does_not_change_the_request() -> None:
    request = a_run()
    effective(check(request), _assistant())
    assert request == a_run()
