"""A run that bears the id of one that is gone: nothing of the former is taken for its own."""

from __future__ import annotations

from uuid import uuid4

from runwire.api.dispatch.v1.runs_pb2 import DeleteRunRequest
from runwire.api.resource.v1.threads_pb2 import DeleteThreadRequest
from tests.harness.platform import Platform, new_thread, output
from tests.harness.refused import refused


async def test_events_of_a_run_follow_those_of_one_that_was_deleted_while_it_ran(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.create("slow", {"delay": 60}, thread=thread, run_id=run_id)
    await platform.reached(run_id, "started")
    await platform.threads.DeleteThread(DeleteThreadRequest(thread_id=thread))
    await platform.run("echo", {"text": "a"}, thread=thread, run_id=run_id)
    claims = {event.event_id.partition("-")[0] async for event in platform.follow(run_id) if event.event_id}
    assert claims == {"2"}


async def test_no_run_gets_an_id_whose_checkpoints_are_still_on_its_thread(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.run("echo", {"text": "a"}, thread=thread, run_id=run_id)
    await platform.runs.DeleteRun(DeleteRunRequest(run_id=run_id))
    assert (await refused(platform.create("echo", {"text": "b"}, thread=thread, run_id=run_id))).reason == "ID_REUSED"
    elsewhere = await platform.run("echo", {"text": "b"}, thread=new_thread(), run_id=run_id)
    assert output(elsewhere) == {"text": "echo: b"}
