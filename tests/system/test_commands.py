"""Commands whose runs get no further: what they bring stays, and one value a key is the last one's."""

from __future__ import annotations

import itertools
import json
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from runwire.api.dispatch.v1 import thread_state_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.harness.platform import Platform, new_thread, output, resume, status
from tests.harness.refused import refused
from tests.harness.waiting import until


def _update(*goto: str, **values: Any) -> run_pb2.Command:
    return run_pb2.Command(update=Json(text=json.dumps(values)), goto=[run_pb2.Goto(node=node) for node in goto])


async def _values(platform: Platform, thread: str) -> Any:
    return json.loads((await platform.state(thread)).values.text)


@pytest.mark.parametrize("gotos", [*itertools.product([[], ["fail"], ["fail", "fail"]], repeat=2)])
async def test_of_commands_that_failed_the_last_counts(platform: Platform, gotos: Any) -> None:
    thread = new_thread()
    await platform.run("failing", {"text": "a"}, thread=thread)
    for text, goto in zip("bc", gotos, strict=True):
        failed = await platform.run("failing", thread=thread, command=_update(*goto, text=text))
        assert (failed.run.error.type, failed.run.error.message) == ("RefusedError", f"no {text}")
        assert await _values(platform, thread) == {"text": text}
    failed = await platform.run("failing", thread=thread)
    assert failed.run.error.message == "no c"


async def test_a_command_at_a_checkpoint_counts_before_one_that_failed_there(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("failing", {"text": "a"}, thread=thread)
    await platform.run("failing", thread=thread, command=_update(text="b"))
    head = (await platform.state(thread)).checkpoint
    forked = await platform.run("failing", thread=thread, command=_update("fail", text="c"), checkpoint=head)
    assert forked.run.error.message == "no c"
    assert await _values(platform, thread) == {"text": "c"}


async def test_a_state_to_which_commands_failed_is_updated(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("failing", {"text": "a"}, thread=thread)
    for text in "bc":
        await platform.run("failing", thread=thread, command=_update(text=text))
    update = thread_state_pb2.StateUpdate(as_node="__end__")
    await platform.thread_state.UpdateThreadState(
        thread_state_pb2.UpdateThreadStateRequest(thread_id=thread, updates=[update])
    )
    assert await _values(platform, thread) == {"text": "c"}


async def test_what_has_a_reducer_gets_what_all_commands_brought(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("gate", {"question": "?"}, thread=thread)
    for question in ("one?", "two?"):
        paused = await platform.run("gate", thread=thread, command=_update(question=question, log=[question]))
        assert [json.loads(found.value.text) for found in paused.interrupts] == [{"question": question}]
    assert await _values(platform, thread) == {"question": "two?", "log": ["one?", "two?"]}
    command = run_pb2.Command(resume=resume("yes").resume, update=_update(question="three?", log=["three?"]).update)
    done = output(await platform.run("gate", thread=thread, command=command))
    assert done["question"] == "three?"
    assert done["log"] == ["one?", "two?", "three?", "asked", "closed with yes"]


async def test_a_rollback_brings_back_what_the_command_before_brought(platform: Platform) -> None:
    thread = new_thread()
    await platform.run("slow", {}, thread=thread, interrupt_before=run_pb2.Breakpoints(nodes=["slow"]))
    for delay, rollback in ((60, False), (70, True)):
        run = await platform.create("slow", thread=thread, command=_update(delay=delay, log=[str(delay)]))
        await until(partial(_stored, platform, UUID(run.run_id)))
        assert (await _values(platform, thread))["delay"] == delay
        await platform.cancel(run.run_id, rollback=rollback)
        ending = platform.finish(run.run_id)
        await (refused(ending) if rollback else ending)
    assert await _values(platform, thread) == {"delay": 60, "log": ["quick", "60"]}
    done = await platform.run("slow", thread=thread, command=_update(delay=0, log=["0"]))
    assert (status(done), output(done)) == ("success", {"delay": 0, "log": ["quick", "60", "0", "slow"]})


async def _stored(platform: Platform, run_id: UUID) -> int:
    count: int = await platform.pool.fetchval("SELECT count(*) FROM checkpoint_writes WHERE run_id = $1", run_id)
    return count
