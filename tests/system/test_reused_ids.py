"""A run that bears the id of one that is gone: nothing of the former is taken for its own."""

from __future__ import annotations

from uuid import uuid4

from runwire.api.resource.v1.threads_pb2 import DeleteThreadRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import Command, Goto
from tests.harness.platform import Platform, new_thread, output
from tests.harness.refused import refused


async def test_a_run_that_was_deleted_while_it_ran_is_not_brought_back(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.create("slow", {"delay": 60}, thread=thread, run_id=run_id)
    await platform.reached(run_id, "started")
    await platform.threads.DeleteThread(DeleteThreadRequest(thread_id=thread))
    again = platform.create("slow", {"delay": 60}, thread=thread, run_id=run_id)
    assert (await refused(again)).reason == "ID_REUSED"


async def test_no_run_gets_an_id_whose_checkpoints_are_still_on_its_thread(platform: Platform) -> None:
    run_id, thread = str(uuid4()), new_thread()
    await platform.run("echo", {"text": "a"}, thread=thread, run_id=run_id)
    await platform.delete_a_day_ago(run_id)
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
    await platform.delete_a_day_ago(run_id)
    assert (await refused(platform.create("failing", {}, thread=thread, run_id=run_id))).reason == "ID_REUSED"
