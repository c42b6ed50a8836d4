"""Runs that start from a checkpoint and not from the head of their thread."""

from __future__ import annotations

import json
from typing import Any

from runwire.api.type.v1 import run_pb2
from tests.harness.platform import Platform, new_thread, output, resume, status
from tests.harness.refused import refused


async def _checkpoints(platform: Platform, thread: str, ns: str = "") -> list[str]:
    """Ids, the oldest first."""
    rows = await platform.pool.fetch(
        "SELECT checkpoint_id FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns = $2 ORDER BY checkpoint_id",
        thread,
        ns,
    )
    return [row["checkpoint_id"] for row in rows]


async def _parent(platform: Platform, thread: str, checkpoint_id: str) -> str:
    parent: str = await platform.pool.fetchval(
        "SELECT parent_checkpoint_id FROM checkpoints WHERE thread_id = $1 AND checkpoint_id = $2",
        thread,
        checkpoint_id,
    )
    return parent


def _at(checkpoint_id: str, ns: str = "") -> dict[str, Any]:
    return {"checkpoint": run_pb2.CheckpointRef(checkpoint_id=checkpoint_id, checkpoint_ns=ns)}


async def test_a_run_goes_on_from_a_checkpoint_in_the_middle(platform: Platform) -> None:
    thread = new_thread()
    whole = output(await platform.run("steps", {"count": 0}, thread=thread))
    before = await _checkpoints(platform, thread)
    # The input's, then one after each step.
    forked = await platform.run("steps", thread=thread, **_at(before[3]))
    assert output(forked)["applied"] == whole["applied"]
    after = await _checkpoints(platform, thread)
    assert after[: len(before)] == before
    assert await _parent(platform, thread, after[len(before)]) == before[3]
    assert json.loads((await platform.state(thread)).values.text)["applied"] == whole["applied"]


async def test_input_is_applied_to_the_checkpoint(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("steps", {"count": 0}, thread=thread)
    end = (await _checkpoints(platform, thread))[-1]
    await platform.run("steps", {"count": 100}, thread=thread)
    forked = await platform.run("steps", {"count": 0}, thread=thread, **_at(end))
    assert output(forked)["count"] == 12


async def test_a_question_is_answered_at_its_checkpoint(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "?"}, thread=thread)
    asked = (await _checkpoints(platform, thread))[-1]
    first = await platform.run("gate", thread=thread, command=resume("yes"), **_at(asked))
    assert (status(first), output(first)["answer"]) == ("success", "yes")
    # As LangGraph has it, an answer that was given stays; a run without one asks again.
    second = await platform.run("gate", thread=thread, command=resume("no"), **_at(asked))
    assert (status(second), output(second)["answer"]) == ("success", "yes")


async def test_a_question_is_asked_again_from_a_checkpoint(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "?"}, thread=thread)
    asked = (await _checkpoints(platform, thread))[-1]
    await platform.run("gate", thread=thread, command=resume("yes"))
    again = await platform.run("gate", thread=thread, **_at(asked))
    assert status(again) == "interrupted"
    done = await platform.run("gate", thread=thread, command=resume("later"))
    assert output(done)["answer"] == "later"


async def test_a_subgraphs_checkpoint_is_reached_through_its_parents(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("nested_gate", {}, thread=thread)
    row = await platform.pool.fetchrow(
        "SELECT checkpoint_ns, checkpoint_id FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns <> ''"
        " ORDER BY checkpoint_id DESC LIMIT 1",
        thread,
    )
    first = await platform.run("nested_gate", thread=thread, command=resume("yes"))
    place = _at(row["checkpoint_id"], row["checkpoint_ns"])
    second = await platform.run("nested_gate", thread=thread, command=resume("yes"), **place)
    assert (status(second), output(second)) == ("success", output(first))


async def test_a_missing_checkpoint_is_refused(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("echo", {"text": "a"}, thread=thread)
    error = await refused(platform.create("echo", {"text": "b"}, thread=thread, **_at("nowhere")))
    assert error.reason == "CHECKPOINT_NOT_FOUND"


async def test_a_checkpoint_that_is_gone_when_the_run_starts_fails_it(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("steps", {"count": 0}, thread=thread)
    middle = (await _checkpoints(platform, thread))[3]
    first = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"])
    await platform.reached(first.run_id, "update", node="quick")
    forking = await platform.create("steps", thread=thread, **_at(middle))
    await platform.pool.execute("DELETE FROM checkpoints WHERE checkpoint_id = $1", middle)
    await platform.cancel(first.run_id)
    ended = await platform.finish(forking.run_id)
    assert (status(ended), ended.run.error.type) == ("error", "CheckpointNotFound")


async def test_a_rolled_back_fork_leaves_the_head_as_it_was(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("slow", {"delay": 0}, thread=thread)
    before = await _checkpoints(platform, thread)
    run = await platform.create("slow", {"delay": 60}, thread=thread, modes=["updates"], **_at(before[1]))
    await platform.reached(run.run_id, "update", node="quick")
    await platform.cancel(run.run_id, rollback=True)
    await refused(platform.finish(run.run_id))
    assert await _checkpoints(platform, thread) == before
