"""Updates of threads' states: what they write, what they refuse, and that they hold the thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest

from runwire.api.dispatch.v1 import thread_state_pb2 as pb
from runwire.api.resource.v1 import threads_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CheckpointRef
from tests.harness.platform import Platform, new_thread, output, status
from tests.harness.refused import refused
from tests.harness.waiting import until
from tests.system.test_state import history, ids, state_at

Written = tuple[object, str]


async def update(
    platform: Platform, thread: str, *updates: Written, at: CheckpointRef | None = None, timeout: float = 20
) -> CheckpointRef:
    """Writes values as nodes, and returns the new head."""
    made = [
        pb.StateUpdate(values=None if values is None else Json(text=json.dumps(values)), as_node=node)
        for values, node in updates
    ]
    asked = pb.UpdateThreadStateRequest(thread_id=thread, updates=made, checkpoint=at)
    response: pb.UpdateThreadStateResponse = await platform.thread_state.UpdateThreadState(asked, timeout=timeout)
    return response.checkpoint


async def rows(platform: Platform, thread: str) -> Sequence[int]:
    """How much is stored of the thread's checkpoints."""
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    counts = [f"(SELECT count(*) FROM {table} WHERE thread_id = $1)" for table in tables]
    return tuple(await platform.pool.fetchrow(f"SELECT {', '.join(counts)}", thread))


async def log_of(platform: Platform, thread: str) -> list[str]:
    """The log in the state at the thread's head."""
    found: list[str] = json.loads((await state_at(platform, thread)).values.text)["log"]
    return found


@pytest.fixture
async def thread(platform: Platform) -> str:
    """A thread on which `choice` has ended."""
    made = new_thread()
    await platform.run("choice", {"log": []}, thread=made)
    return made


class Gate:
    """Holds updates of `choice` in the middle of their work."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.writes: Written = ({"gate": str(file), "log": ["held"]}, "first")

    async def reached(self, times: int = 1) -> None:
        """Waits until that many have come."""
        mark = Path(f"{self._file}.reached")

        async def come() -> bool:
            return mark.exists() and len(mark.read_text().splitlines()) >= times

        await until(come)

    def open(self) -> None:
        """Lets them go on."""
        self._file.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """A closed gate."""
    return Gate(tmp_path / "gate")


async def test_an_update_writes_as_a_node(platform: Platform, thread: str) -> None:
    before = await state_at(platform, thread)
    head = await update(platform, thread, ({"log": ["mine"]}, "first"))
    state = await state_at(platform, thread)
    assert (state.checkpoint, state.parent_checkpoint) == (head, before.checkpoint)
    assert json.loads(state.values.text)["log"] == ["first", "second", "mine"]
    assert (list(state.next), json.loads(state.metadata.text)["source"]) == (["second"], "update")


async def test_the_graph_goes_on_from_an_update(platform: Platform, thread: str) -> None:
    await update(platform, thread, ({"log": ["mine"]}, "first"))
    assert output(await platform.run("choice", thread=thread))["log"] == ["first", "second", "mine", "second"]


async def test_an_update_without_values_moves_the_graph_past_the_node(platform: Platform, thread: str) -> None:
    await update(platform, thread, (None, "first"))
    assert list((await state_at(platform, thread)).next) == ["second"]


async def test_an_update_shows_on_the_thread(platform: Platform, thread: str) -> None:
    before = await platform.thread(thread)
    await update(platform, thread, ({"log": ["mine"]}, "first"))
    after = await platform.thread(thread)
    assert json.loads(after.values.text)["log"] == ["first", "second", "mine"]
    assert after.status == threads_pb2.THREAD_STATUS_INTERRUPTED
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
    assert after.state_update_time.ToNanoseconds() > before.state_update_time.ToNanoseconds()
    await update(platform, thread, ({"log": ["end"]}, "second"))
    assert (await platform.thread(thread)).status == threads_pb2.THREAD_STATUS_IDLE


async def test_an_update_ends_a_threads_error(platform: Platform) -> None:
    made = new_thread()
    await platform.run("failing", {"text": "x"}, thread=made)
    assert (await platform.thread(made)).HasField("error")
    await update(platform, made, ({"text": "y"}, "fail"))
    after = await platform.thread(made)
    assert (after.status, after.HasField("error")) == (threads_pb2.THREAD_STATUS_IDLE, False)


async def test_an_interrupt_is_answered_by_an_update(platform: Platform) -> None:
    made = new_thread()
    await platform.run("gate", {"question": "why?"}, thread=made)
    await update(platform, made, ({"answer": "because", "log": ["edited"]}, "ask"))
    assert list((await platform.thread(made)).interrupts) == []
    assert output(await platform.run("gate", thread=made))["log"] == ["edited", "closed with because"]


async def test_several_updates_become_one_checkpoint_each(platform: Platform, thread: str) -> None:
    before = await history(platform, thread, page_size=100)
    head = await update(platform, thread, *(({"log": [str(n)]}, "first") for n in range(5)))
    after = await history(platform, thread, page_size=100)
    assert ids(after.states[5:]) == ids(before.states)
    assert after.states[0].checkpoint == head
    logs = [json.loads(state.values.text)["log"][2:] for state in after.states[:5]]
    assert logs == [[str(n) for n in range(last + 1)] for last in (4, 3, 2, 1, 0)]


async def test_an_update_at_a_checkpoint_makes_a_branch(platform: Platform, thread: str) -> None:
    old = (await history(platform, thread)).states[-2]
    await update(platform, thread, ({"log": ["other"]}, "first"), at=old.checkpoint)
    state = await state_at(platform, thread)
    assert state.parent_checkpoint == old.checkpoint
    assert json.loads(state.values.text)["log"] == ["other"]


async def test_a_subgraph_is_updated_in_its_namespace(platform: Platform) -> None:
    made = new_thread()
    await platform.run("nested_gate", {"text": "a"}, thread=made)
    inner = (await state_at(platform, made)).tasks[0].checkpoint
    head = await update(platform, made, ({"text": "edited"}, "ask"), at=inner)
    assert head.checkpoint_ns == inner.checkpoint_ns
    assert json.loads((await state_at(platform, made, inner)).values.text) == {"text": "edited"}


async def test_nothing_stays_of_updates_of_which_one_fails(platform: Platform, thread: str) -> None:
    before, shown = await rows(platform, thread), await platform.thread(thread)
    good: Written = ({"log": ["x"]}, "first")
    bad: Written = ({"objection": "not this one"}, "first")
    error = await refused(update(platform, thread, good, good, bad, good, good))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_UPDATE_REFUSED")
    assert error.message == "ObjectionError: not this one"
    assert (await rows(platform, thread), await platform.thread(thread)) == (before, shown)


@pytest.mark.parametrize(
    ("updates", "text"),
    [
        ([({"log": ["x"]}, "nobody")], "Node nobody does not exist"),
        ([("no object", "first")], "Expected dict, got no object"),
    ],
)
async def test_the_graphs_own_objection_is_told(
    platform: Platform, thread: str, updates: Sequence[Written], text: str
) -> None:
    error = await refused(update(platform, thread, *updates))
    assert (error.reason, text in error.message) == ("STATE_UPDATE_REFUSED", True), error


async def test_an_update_at_an_unknown_checkpoint_is_refused(platform: Platform, thread: str) -> None:
    nowhere = CheckpointRef(checkpoint_id="1f000000-0000-6000-8000-000000000000")
    error = await refused(update(platform, thread, ({"log": ["x"]}, "first"), at=nowhere))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND")


async def test_a_thread_with_an_active_run_is_busy(platform: Platform) -> None:
    made = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=made)
    error = await refused(update(platform, made, ({"log": ["x"]}, "quick")))
    assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "THREAD_BUSY")
    await platform.cancel(run.run_id)
    await platform.finish(run.run_id)
    await update(platform, made, ({"log": ["x"]}, "quick"))


async def test_what_is_wrong_with_an_update_is_said(platform: Platform) -> None:
    asked = pb.UpdateThreadStateRequest(
        checkpoint=CheckpointRef(checkpoint_id="a b"), updates=[pb.StateUpdate(values=Json(text="{"))]
    )
    error = await refused(platform.thread_state.UpdateThreadState(asked))
    assert error.violations == {
        "thread_id": "FIELD_REQUIRED",
        "checkpoint.checkpoint_id": "FIELD_INVALID",
        "updates[0].values": "INVALID_JSON",
    }
    for count in (0, 65):
        asked = pb.UpdateThreadStateRequest(thread_id="a", updates=[pb.StateUpdate()] * count)
        error = await refused(platform.thread_state.UpdateThreadState(asked))
        assert error.violations == {"updates": "FIELD_OUT_OF_RANGE"}


async def test_a_run_that_is_created_during_an_update_starts_after_it(
    platform: Platform, thread: str, gate: Gate
) -> None:
    updating = asyncio.create_task(update(platform, thread, gate.writes))
    await gate.reached()
    run = await platform.create("choice", {"log": ["run"]}, thread=thread)
    other = await platform.run("echo", {"text": "another thread"}, thread=new_thread())
    assert (status(other), status(await platform.get(run.run_id))) == ("success", "pending")
    gate.open()
    await updating
    done = output(await platform.finish(run.run_id))
    assert done["log"] == ["first", "second", "held", "run", "first", "second"]


async def test_updates_of_one_thread_come_one_after_another(platform: Platform, thread: str) -> None:
    await asyncio.gather(*(update(platform, thread, ({"log": [str(n)]}, "second")) for n in range(12)))
    assert sorted(await log_of(platform, thread)) == sorted(["first", "second", *map(str, range(12))])


async def test_an_update_that_was_taken_over_is_made_once(platform: Platform, thread: str, gate: Gate) -> None:
    before = await history(platform, thread)
    updating = asyncio.create_task(update(platform, thread, gate.writes))
    await gate.reached()
    # As the clockwork does it with the requests of a worker that is gone.
    await platform.pool.execute(
        "UPDATE state_requests SET status = 'pending', worker_id = NULL WHERE thread_id = $1", thread
    )
    await gate.reached(2)
    gate.open()
    head = await updating
    after = await history(platform, thread)
    assert ids(after.states)[1:] == ids(before.states)
    assert after.states[0].checkpoint == head


async def test_an_update_past_its_deadline_writes_nothing_and_frees_the_thread(
    platform: Platform, thread: str, gate: Gate
) -> None:
    before = await rows(platform, thread)
    updating = asyncio.create_task(update(platform, thread, gate.writes, timeout=2))
    await gate.reached()
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await updating
    gate.open()

    async def removed() -> bool:
        return not await platform.pool.fetchval("SELECT count(*) FROM state_requests WHERE thread_id = $1", thread)

    await until(removed)
    assert await rows(platform, thread) == before
    assert output(await platform.run("choice", {"log": ["run"]}, thread=thread))["log"][2] == "run"


async def test_a_run_behind_an_update_past_its_deadline_starts(platform: Platform, thread: str, gate: Gate) -> None:
    updating = asyncio.create_task(update(platform, thread, gate.writes, timeout=2))
    await gate.reached()
    run = await platform.create("echo", {"text": "a"}, thread=thread)
    with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
        await updating
    assert status(await platform.finish(run.run_id)) == "success"


async def test_an_update_of_a_thread_that_is_deleted_leaves_nothing(
    platform: Platform, thread: str, gate: Gate
) -> None:
    updating = asyncio.create_task(refused(update(platform, thread, gate.writes)))
    await gate.reached()
    await platform.threads.DeleteThread(threads_pb2.DeleteThreadRequest(thread_id=thread))
    gate.open()
    assert (await updating).reason == "THREAD_NOT_FOUND"
    assert await rows(platform, thread) == (0, 0, 0)


async def test_an_update_of_what_is_pruned_meanwhile_leaves_nothing(
    platform: Platform, thread: str, gate: Gate
) -> None:
    old = (await history(platform, thread)).states[-2]
    updating = asyncio.create_task(refused(update(platform, thread, gate.writes, at=old.checkpoint)))
    await gate.reached()
    strategy = threads_pb2.TTL_STRATEGY_KEEP_LATEST
    await platform.threads.PruneThreads(threads_pb2.PruneThreadsRequest(thread_ids=[thread], strategy=strategy))
    gate.open()
    assert (await updating).reason == "CHECKPOINT_NOT_FOUND"
    assert await log_of(platform, thread) == ["first", "second"]
    assert len((await history(platform, thread)).states) == 1


async def test_a_state_may_be_written_before_the_first_run(platform: Platform) -> None:
    made = await platform.threads.CreateThread(threads_pb2.CreateThreadRequest(graph_id="steps"))
    thread = made.thread.thread_id
    assert not (await state_at(platform, thread)).HasField("values")
    await update(platform, thread, ({"count": 10, "applied": ["by hand"]}, "step4"))
    done = await platform.run("steps", thread=thread)
    assert (output(done)["count"], output(done)["applied"]) == (11, ["by hand", "step5"])
