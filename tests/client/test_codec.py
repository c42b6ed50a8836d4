"""Conversions between messages and plain values."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2, sorting_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.client import codec, events, results, words
from runwire.client.codec import decode, encode, json_of
from runwire.client.events import Event, event_of

NOW = datetime(2025, 3, 4, 5, 6, 7, 890000, tzinfo=UTC)


def stamp(when: datetime = NOW) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(when)
    return message


@pytest.mark.parametrize("name", codec._MIRRORS)
def test_a_dataclass_has_the_fields_of_its_message(name: str) -> None:
    mirror: Any = codec._MIRRORS[name]
    own = {field.name for field in fields(mirror)}
    if issubclass(mirror, Event):
        own -= {field.name for field in fields(Event)}
    message = next(kind for kind in _messages() if kind.DESCRIPTOR.full_name == name)
    assert own == set(message.DESCRIPTOR.fields_by_name)


def _messages() -> list[type[Message]]:
    from runwire.api.dispatch.v1 import thread_state_pb2, workers_pb2

    modules = [runs_pb2, crons_pb2, thread_state_pb2, workers_pb2, assistants_pb2, store_pb2, threads_pb2]
    found = [vars(module).values() for module in [*modules, stream_pb2, run_pb2]]
    return [each for values in found for each in values if isinstance(each, type) and issubclass(each, Message)]


@pytest.mark.parametrize(
    ("literal", "enum"),
    [
        (results.RunStatus, run_pb2.RunStatus),
        (results.ThreadStatus, threads_pb2.ThreadStatus),
        (results.MultitaskStrategy, run_pb2.MultitaskStrategy),
        (results.CancelAction, run_pb2.CancelAction),
        (results.TtlStrategy, threads_pb2.TtlStrategy),
        (results.WebhookDeliveryState, runs_pb2.WebhookDeliveryState),
        (events.GapReason, stream_pb2.GapReason),
        (words.StreamMode, run_pb2.StreamMode),
        (words.Durability, run_pb2.Durability),
        (words.SortOrder, sorting_pb2.SortOrder),
        (words.IfExists, assistants_pb2.IfExists),
        (words.IfExists, threads_pb2.ThreadIfExists),
        (words.View, threads_pb2.ThreadView),
    ],
)
def test_the_words_of_a_literal_are_those_of_its_enum(literal: Any, enum: Any) -> None:
    assert sorted(get_args(literal)) == sorted(codec.words(enum.DESCRIPTOR).values())


def test_every_payload_of_an_event_has_a_class() -> None:
    payloads = stream_pb2.RunEvent.DESCRIPTOR.oneofs_by_name["payload"].fields
    assert all(field.message_type and field.message_type.full_name in codec._MIRRORS for field in payloads)


def test_a_run_becomes_plain_values() -> None:
    message = run_pb2.Run(
        run_id="r",
        status=run_pb2.RUN_STATUS_ERROR,
        error=run_pb2.RunError(type="ValueError", message="no"),
        metadata=Json(text='{"big": 9007199254740993}'),
        multitask_strategy=run_pb2.MULTITASK_STRATEGY_ROLLBACK,
        create_time=stamp(),
    )
    run = decode(results.Run, message)
    assert (run.status, run.multitask_strategy, run.cancel_requested) == ("error", "rollback", None)
    assert run.error == results.RunError("ValueError", "no")
    assert run.metadata == {"big": 2**53 + 1}
    assert (run.create_time, run.finish_time) == (NOW, None)


def test_an_enum_value_of_a_newer_server_gets_a_word() -> None:
    message = run_pb2.Run(run_id="r", create_time=stamp())
    message.status = 99  # type: ignore[assignment]
    status: str = decode(results.Run, message).status
    assert status == "unknown_99"


def test_an_event_is_of_the_class_of_its_payload() -> None:
    message = stream_pb2.RunEvent(
        event_id="1-2",
        run_id="r",
        namespace=["outer", "inner"],
        event_time=stamp(),
        update=stream_pb2.Update(node="n", update=Json(text='{"a": [1]}')),
    )
    match event_of(message):
        case events.Update(node, update, namespace=namespace, event_id=event_id):
            assert (node, update, namespace, event_id) == ("n", {"a": [1]}, ("outer", "inner"), "1-2")
        case other:
            pytest.fail(f"{other}")


def test_an_event_of_an_unknown_kind_is_a_bare_event() -> None:
    assert type(event_of(stream_pb2.RunEvent(event_id="1-2", event_time=stamp()))) is Event


def test_a_cron_tells_its_run_in_the_words_of_create() -> None:
    message = crons_pb2.Cron(
        cron_id="c",
        create_time=stamp(),
        update_time=stamp(),
        run=runs_pb2.CreateRunRequest(
            assistant_id="a",
            input=Json(text="{}"),
            stream_modes=[run_pb2.STREAM_MODE_UPDATES],
            if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE,
            interrupt_before=run_pb2.Breakpoints(all_nodes=True),
            interrupt_after=run_pb2.Breakpoints(nodes=["n"]),
        ),
    )
    assert decode(results.Cron, message).run == {
        "assistant_id": "a",
        "input": {},
        "stream_mode": ("updates",),
        "if_not_exists": "create",
        "interrupt_before": "*",
        "interrupt_after": ("n",),
    }


def test_none_leaves_a_field_unset() -> None:
    assert encode(runs_pb2.CreateRunRequest, thread_id=None, input=None) == runs_pb2.CreateRunRequest()


def test_an_empty_object_is_set() -> None:
    assert encode(runs_pb2.CreateRunRequest, config={}).HasField("config")


def test_times_and_durations_are_written() -> None:
    end = datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    cron = encode(crons_pb2.CreateCronRequest, end_time=end)
    assert cron.end_time.ToDatetime() == datetime(2025, 1, 1, 10)
    item = encode(store_pb2.PutItemRequest, ttl=timedelta(minutes=1.5))
    assert (item.ttl.seconds, encode(store_pb2.PutItemRequest, ttl=0.5).ttl.nanos) == (90, 500_000_000)


def test_an_unknown_word_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="action is one of interrupt, rollback, not 'stop'"):
        encode(runs_pb2.CancelRunRequest, action="stop")


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="CreateRunRequest has no 'imput'"):
        encode(runs_pb2.CreateRunRequest, imput={})


def test_one_text_is_not_a_list_of_texts() -> None:
    with pytest.raises(TypeError, match="namespace"):
        encode(store_pb2.PutItemRequest, namespace="ab")


def test_what_json_has_no_form_for_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_of(float("nan"))
    with pytest.raises(TypeError):
        json_of({"when": NOW})
