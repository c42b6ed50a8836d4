"""Thread states: at the head, at a checkpoint, of subgraphs, and page by page."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from runwire.api.dispatch.v1 import thread_state_pb2 as pb
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CheckpointRef
from tests.harness.platform import Platform, new_thread, resume
from tests.harness.refused import refused


async def state_at(platform: Platform, thread: str, ref: CheckpointRef | None = None, **fields: Any) -> pb.ThreadState:
    """The state at a checkpoint."""
    asked = pb.GetThreadStateRequest(thread_id=thread, checkpoint=ref, **fields)
    response: pb.GetThreadStateResponse = await platform.thread_state.GetThreadState(asked, timeout=20)
    return response.state


async def history(platform: Platform, thread: str, **fields: Any) -> pb.ListThreadHistoryResponse:
    """One page of a thread's states."""
    asked = pb.ListThreadHistoryRequest(thread_id=thread, **fields)
    response: pb.ListThreadHistoryResponse = await platform.thread_state.ListThreadHistory(asked, timeout=20)
    return response


def ids(states: Any) -> list[str]:
    """Their checkpoints."""
    return [state.checkpoint.checkpoint_id for state in states]


@pytest.fixture
async def stepped(platform: Platform) -> str:
    """A thread with eight checkpoints."""
    thread = new_thread()
    await platform.run("steps", {"count": 0}, thread=thread)
    return thread


async def test_a_state_of_the_history_is_read_at_its_checkpoint(platform: Platform, stepped: str) -> None:
    for state in (await history(platform, stepped)).states:
        assert await state_at(platform, stepped, state.checkpoint) == state


async def test_an_earlier_state_says_what_came_next(platform: Platform, stepped: str) -> None:
    third = (await history(platform, stepped)).states[3]
    assert (list(third.next), json.loads(third.values.text)["count"]) == (["step3"], 3)
    assert json.loads(third.tasks[0].result.text) == {"count": 1, "applied": ["step3"]}


@pytest.mark.parametrize(
    "ref",
    [CheckpointRef(checkpoint_id="1f000000-0000-6000-8000-000000000000"), CheckpointRef(checkpoint_ns="none:1")],
)
async def test_an_unknown_checkpoint_is_not_found(platform: Platform, stepped: str, ref: CheckpointRef) -> None:
    error = await refused(state_at(platform, stepped, ref))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND")


async def test_the_history_comes_newest_first_and_in_pages(platform: Platform, stepped: str) -> None:
    whole = await history(platform, stepped, page_size=100)
    assert (len(whole.states), whole.next_page_token) == (8, "")
    assert ids(whole.states) == sorted(ids(whole.states), reverse=True)
    paged: list[str] = []
    token, pages = "", 0
    while token or not paged:
        page = await history(platform, stepped, page_size=3, page_token=token)
        paged += ids(page.states)
        token, pages = page.next_page_token, pages + 1
    assert (paged, pages) == (ids(whole.states), 3)


async def test_a_page_that_is_just_full_is_the_last(platform: Platform, stepped: str) -> None:
    assert (await history(platform, stepped, page_size=8)).next_page_token == ""


async def test_a_page_has_ten_states_unless_it_says_otherwise(platform: Platform, stepped: str) -> None:
    await platform.run("steps", {"count": 0}, thread=stepped)
    page = await history(platform, stepped)
    assert len(page.states) == 10
    rest = await history(platform, stepped, page_token=page.next_page_token)
    assert (len(rest.states), rest.next_page_token) == (6, "")


async def test_a_history_begins_before_a_checkpoint(platform: Platform, stepped: str) -> None:
    whole = ids((await history(platform, stepped)).states)
    before = CheckpointRef(checkpoint_id=whole[4])
    first = await history(platform, stepped, before=before, page_size=2)
    second = await history(platform, stepped, before=before, page_size=2, page_token=first.next_page_token)
    assert ids(first.states) + ids(second.states) == whole[5:]


async def test_a_history_is_filtered_by_metadata(platform: Platform, stepped: str) -> None:
    inputs = await history(platform, stepped, metadata_contains=Json(text='{"source":"input"}'))
    assert [json.loads(state.metadata.text)["step"] for state in inputs.states] == [-1]


async def test_a_token_is_bound_to_its_history(platform: Platform, stepped: str) -> None:
    page = await history(platform, stepped, page_size=2)
    other = await refused(
        history(platform, stepped, page_token=page.next_page_token, metadata_contains=Json(text="{}"))
    )
    assert other.violations == {"page_token": "PAGE_TOKEN_MISMATCH"}


async def test_what_is_wrong_with_a_history_is_said(platform: Platform) -> None:
    error = await refused(
        history(
            platform,
            "a b",
            page_size=101,
            page_token="?",
            before=CheckpointRef(checkpoint_ns="x:1"),
            metadata_contains=Json(text="[]"),
        )
    )
    assert error.violations == {
        "thread_id": "FIELD_INVALID",
        "page_size": "FIELD_OUT_OF_RANGE",
        "page_token": "INVALID_PAGE_TOKEN",
        "before.checkpoint_id": "FIELD_REQUIRED",
        "before.checkpoint_ns": "FIELD_INVALID",
        "metadata_contains": "INVALID_JSON",
    }


async def test_a_page_of_large_states_stops_before_it_is_too_large(platform: Platform) -> None:
    thread = new_thread()
    for _ in range(3):
        await platform.run("big", {"bytes": 1_200_000}, thread=thread)
    page = await history(platform, thread, page_size=100)
    assert 1 <= len(page.states) < 9
    assert page.ByteSize() <= 3 * 1024 * 1024 + 1024
    found = ids(page.states)
    while page.next_page_token:
        page = await history(platform, thread, page_size=100, page_token=page.next_page_token)
        found += ids(page.states)
    assert len(found) == len(set(found)) == 9


async def test_the_state_of_a_paused_subgraph_comes_when_asked_for(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("nested_gate", {"text": "a"}, thread=thread)
    task = (await state_at(platform, thread)).tasks[0]
    assert (task.HasField("state"), task.checkpoint.checkpoint_ns) == (False, f"inner:{task.task_id}")
    inside = (await state_at(platform, thread, subgraphs=True)).tasks[0]
    assert (list(inside.state.next), json.loads(inside.state.values.text)) == (["ask"], {"text": "a"})
    assert [json.loads(i.value.text) for i in inside.state.interrupts] == ["inside"]
    assert inside.checkpoint == inside.state.checkpoint
    assert await state_at(platform, thread, task.checkpoint) == inside.state


async def test_a_subgraph_has_a_history_of_its_own(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("nested_gate", {"text": "a"}, thread=thread)
    namespace = (await state_at(platform, thread)).tasks[0].checkpoint.checkpoint_ns
    await platform.run("nested_gate", thread=thread, command=resume("b"))
    inner = await history(platform, thread, checkpoint_ns=namespace)
    assert {state.checkpoint.checkpoint_ns for state in inner.states} == {namespace}
    assert json.loads(inner.states[0].values.text) == {"text": "a b"}
    assert {state.checkpoint.checkpoint_ns for state in (await history(platform, thread)).states} == {""}
    assert await state_at(platform, thread, inner.states[-1].checkpoint) == inner.states[-1]


async def test_a_thread_without_a_checkpoint_has_an_empty_state(platform: Platform) -> None:
    thread = new_thread()
    await platform.pool.execute("INSERT INTO threads (thread_id, graph_id) VALUES ($1, 'echo')", thread)
    assert await state_at(platform, thread) == pb.ThreadState()
    assert await history(platform, thread) == pb.ListThreadHistoryResponse()


async def test_a_failed_task_says_why(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("fails", {"how": "odd"}, thread=thread)
    state = await state_at(platform, thread)
    assert (list(state.next), state.tasks[0].node) == (["fail"], "fail")
    assert "TidyError" in state.tasks[0].error
    assert "caf\u00e9" in state.tasks[0].error


async def test_the_graph_of_a_factory_is_made_with_the_last_runs_config(platform: Platform) -> None:
    thread = new_thread()
    config = {"configurable": Json(text='{"suffix":"?"}')}
    await platform.run("made", {"text": "a"}, thread=thread, config=config)
    assert json.loads((await state_at(platform, thread)).values.text) == {"text": "a?"}
