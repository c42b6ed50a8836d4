"""A run that bears the id of one that is gone: nothing of the former is taken for its own."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1.runs_pb2 import DeleteRunRequest
from runwire.api.resource.v1.threads_pb2 import DeleteThreadRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Command, Goto
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


async def test_no_run_gets_an_id_whose_command_is_still_on_its_thread(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.run("failing", {"text": "a"}, thread=thread)
    command = Command(update=Json(text='{"text":"b"}'), goto=[Goto(node="fail")])
    await platform.run("failing", command=command, thread=thread, run_id=run_id)
    own = "SELECT count(*) FROM checkpoints WHERE metadata ->> 'run_id' = $1"
    assert await platform.pool.fetchval(own, run_id) == 0
    await platform.runs.DeleteRun(DeleteRunRequest(run_id=run_id))
    assert (await refused(platform.create("failing", {}, thread=thread, run_id=run_id))).reason == "ID_REUSED"


async def test_a_run_that_was_not_begun_lets_others_pass_whatever_its_id(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.create("slow", {"delay": 60}, thread=thread, run_id=run_id)
    await platform.reached(run_id, "started")
    following = asyncio.create_task(platform.events(run_id))
    await platform.cancel(run_id, rollback=True)
    await following
    await platform.create("echo", {"text": "a"}, thread=thread, run_id=run_id, start_delay=Duration(seconds=3600))
    assert output(await platform.run("echo", {"text": "b"}, thread=thread)) == {"text": "echo: b"}
