"""How options become requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.resource.v1 import store_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.client import connect
from runwire.client.requests import conditions, create_run, new_id, request_of, run_request
from runwire.client.results import CheckpointRef
from runwire.client.words import Command


def command(given: Command) -> run_pb2.Command:
    return run_request("t", "a", {"command": given}).command


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    first = UUID(new_id())
    assert (first.version, first.variant) == (7, "specified in RFC 4122")
    assert len({new_id() for _ in range(100)}) == 100


def test_a_run_gets_an_id_unless_the_caller_chose_one() -> None:
    assert UUID(create_run(None, "a", {}).run_id)
    assert create_run(None, "a", {"run_id": "mine"}).run_id == "mine"


def test_all_options_of_a_run_are_written() -> None:
    request = run_request(
        "t",
        "a",
        {
            "input": {"x": 1},
            "config": {"tags": ["t"], "recursion_limit": 7, "configurable": {"k": "v"}},
            "context": {"c": 1},
            "metadata": {"m": 1},
            "checkpoint": "c1",
            "interrupt_before": "*",
            "interrupt_after": ["n"],
            "stream_mode": "messages",
            "stream_subgraphs": True,
            "durability": "exit",
            "multitask_strategy": "interrupt",
            "if_not_exists": "create",
            "after_seconds": 1.5,
            "on_completion": "keep",
            "run_timeout": timedelta(minutes=2),
            "webhook": "https://example.com/hook",
            "event_log": "off",
        },
    )
    assert request == runs_pb2.CreateRunRequest(
        thread_id="t",
        assistant_id="a",
        input=Json(text='{"x":1}'),
        config=run_pb2.RunConfig(tags=["t"], recursion_limit=7, configurable=Json(text='{"k":"v"}')),
        context=Json(text='{"c":1}'),
        metadata=Json(text='{"m":1}'),
        checkpoint=run_pb2.CheckpointRef(checkpoint_id="c1"),
        interrupt_before=run_pb2.Breakpoints(all_nodes=True),
        interrupt_after=run_pb2.Breakpoints(nodes=["n"]),
        stream_modes=[run_pb2.STREAM_MODE_MESSAGES],
        stream_subgraphs=True,
        durability=run_pb2.DURABILITY_EXIT,
        multitask_strategy=run_pb2.MULTITASK_STRATEGY_INTERRUPT,
        if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE,
        start_delay=Duration(seconds=1, nanos=500_000_000),
        on_completion=runs_pb2.ON_COMPLETION_KEEP,
        run_timeout=Duration(seconds=120),
        webhook=runs_pb2.Webhook(url="https://example.com/hook"),
        event_log=runs_pb2.EVENT_LOG_OFF,
    )


def test_input_and_command_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude"):
        run_request("t", "a", {"input": {}, "command": {"resume": 1}})


def test_none_is_an_answer_to_an_interrupt() -> None:
    assert command({"resume": None}).resume.text == "null"
    assert not command({"update": {}}).HasField("resume")


def test_a_command_goes_to_one_node_or_several() -> None:
    assert [each.node for each in command({"goto": "a"}).goto] == ["a"]
    assert command({"goto": ["a", {"node": "b", "input": None}]}).goto[1] == run_pb2.Goto(
        node="b", input=Json(text="null")
    )


def test_a_checkpoint_is_named_by_its_id_or_whole() -> None:
    request = run_request("t", "a", {"checkpoint": CheckpointRef("c", "sub:1")})
    assert request.checkpoint == run_pb2.CheckpointRef(checkpoint_id="c", checkpoint_ns="sub:1")


def test_a_run_as_one_value_is_the_same_request() -> None:
    assert request_of({"assistant_id": "a", "thread_id": "t", "stream_mode": "custom"}) == run_request(
        "t", "a", {"stream_mode": "custom"}
    )


def test_filters_of_the_store_compare() -> None:
    found = conditions({"colour": "red", "size": {"$gte": 3, "$lt": 9}, "box": {"a": 1}, "none": None})
    assert [(each.key, each.operator, each.operand.text) for each in found] == [
        ("colour", store_pb2.ITEM_OPERATOR_EQUAL, '"red"'),
        ("size", store_pb2.ITEM_OPERATOR_GREATER_OR_EQUAL, "3"),
        ("size", store_pb2.ITEM_OPERATOR_LESS, "9"),
        ("box", store_pb2.ITEM_OPERATOR_EQUAL, '{"a":1}'),
        ("none", store_pb2.ITEM_OPERATOR_EQUAL, "null"),
    ]


@pytest.mark.parametrize("ttl", [60, 0.5])
async def test_a_time_to_live_is_no_number_since_its_unit_would_not_be_known(ttl: Any) -> None:
    async with connect("127.0.0.1:1") as client:
        calls = (
            client.threads.create(ttl=ttl),
            client.threads.update("t", ttl=ttl),
            client.store.put_item(("a",), "k", {}, ttl=ttl),
        )
        for call in calls:
            with pytest.raises(TypeError, match="timedelta"):
                await call
