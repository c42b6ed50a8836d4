"""ThreadStateService."""

from __future__ import annotations

import json
from typing import Any

from runwire.api.dispatch.v1.thread_state_pb2 import (
    GetThreadStateRequest,
    ListThreadHistoryRequest,
    StateUpdate,
    UpdateThreadStateRequest,
)
from runwire.api.type.v1.run_pb2 import CheckpointRef
from tests.contract.scenarios.runs import ended_run, waiting_run
from tests.contract.scenarios.scenario import (
    ABSENT,
    Errors,
    Listing,
    Listings,
    Provoked,
    Successes,
    ask,
    json_of,
    refused,
    unique,
    wrong,
)
from tests.contract.scenarios.threads import made_thread, run_thread
from tests.harness.platform import Platform

_UPDATE = StateUpdate(values=json_of('{"text":"written"}'), as_node="echo")

# Successes


async def _gets(platform: Platform) -> Any:
    run = await platform.run("gate", {"question": "?"}, thread=unique())
    response = await ask(platform, GetThreadStateRequest(thread_id=run.run.thread_id))
    state = response.state
    assert json.loads(state.values.text) == {"question": "?", "log": []}
    assert (list(state.next), [task.node for task in state.tasks]) == (["ask"], ["ask"])
    assert json.loads(state.interrupts[0].value.text) == {"question": "?"}
    return response


async def _lists_history(platform: Platform) -> Any:
    run = await ended_run(platform, thread=unique())
    response = await ask(platform, ListThreadHistoryRequest(thread_id=run.thread_id))
    assert [list(state.next) for state in response.states] == [[], ["echo"], ["__start__"]]
    assert json.loads(response.states[0].values.text) == {"text": "echo: hi"}
    return response


async def _updates(platform: Platform) -> Any:
    run = await ended_run(platform, thread=unique())
    response = await ask(platform, UpdateThreadStateRequest(thread_id=run.thread_id, updates=[_UPDATE]))
    state = await platform.state(run.thread_id)
    assert state.checkpoint == response.checkpoint
    assert json.loads(state.values.text) == {"text": "written"}
    return response


SUCCESSES: Successes = {"GetThreadState": _gets, "ListThreadHistory": _lists_history, "UpdateThreadState": _updates}

# Errors


def _each(thread_id: str) -> dict[str, Any]:
    """A request to each RPC for a thread."""
    return {
        "GetThreadState": GetThreadStateRequest(thread_id=thread_id),
        "ListThreadHistory": ListThreadHistoryRequest(thread_id=thread_id),
        "UpdateThreadState": UpdateThreadStateRequest(thread_id=thread_id, updates=[_UPDATE]),
    }


def _without_graph(rpc: str) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        thread_id = (await made_thread(platform)).thread_id
        return refused(_each(thread_id)[rpc], thread_id=thread_id)

    return scenario


def _without_worker(rpc: str) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        thread_id = (await made_thread(platform)).thread_id
        await platform.pool.execute("UPDATE threads SET graph_id = 'retired' WHERE thread_id = $1", thread_id)
        return refused(_each(thread_id)[rpc], graph_id="retired")

    return scenario


def _without_checkpoint(rpc: str) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        thread_id = (await ended_run(platform, thread=unique())).thread_id
        request = _each(thread_id)[rpc]
        request.checkpoint.checkpoint_id = ABSENT
        return refused(request, thread_id=thread_id, checkpoint_id=ABSENT)

    return scenario


def _with_damage(rpc: str) -> Any:
    async def scenario(platform: Platform) -> Provoked:
        thread_id = (await ended_run(platform, thread=unique())).thread_id
        await platform.pool.execute("UPDATE checkpoints SET checkpoint = '[]' WHERE thread_id = $1", thread_id)
        return refused(_each(thread_id)[rpc], thread_id=thread_id)

    return scenario


async def _update_busy(platform: Platform) -> Provoked:
    run = await waiting_run(platform, thread=unique())
    return refused(_each(run.thread_id)["UpdateThreadState"], thread_id=run.thread_id)


async def _update_as_nobody(platform: Platform) -> Provoked:
    run = await ended_run(platform, thread=unique())
    return refused(UpdateThreadStateRequest(thread_id=run.thread_id, updates=[StateUpdate(as_node="nobody")]))


ERRORS: Errors = {
    ("GetThreadState", "FIELD_REQUIRED"): wrong(GetThreadStateRequest(), "thread_id"),
    ("ListThreadHistory", "FIELD_REQUIRED"): wrong(
        ListThreadHistoryRequest(thread_id="t", before=CheckpointRef()), "before.checkpoint_id"
    ),
    ("UpdateThreadState", "FIELD_OUT_OF_RANGE"): wrong(UpdateThreadStateRequest(thread_id="t"), "updates"),
    **{(rpc, "THREAD_NOT_FOUND"): refused(request, thread_id=ABSENT) for rpc, request in _each(ABSENT).items()},
    **{(rpc, "THREAD_HAS_NO_GRAPH"): _without_graph(rpc) for rpc in _each(ABSENT)},
    **{(rpc, "NO_WORKER"): _without_worker(rpc) for rpc in _each(ABSENT)},
    **{(rpc, "STATE_UNREADABLE"): _with_damage(rpc) for rpc in _each(ABSENT)},
    **{(rpc, "CHECKPOINT_NOT_FOUND"): _without_checkpoint(rpc) for rpc in ("GetThreadState", "UpdateThreadState")},
    ("UpdateThreadState", "THREAD_BUSY"): _update_busy,
    ("UpdateThreadState", "STATE_UPDATE_REFUSED"): _update_as_nobody,
}

# Pages


async def _long_history(platform: Platform) -> Listing:
    thread = await run_thread(platform)
    stored = "SELECT checkpoint_id FROM checkpoints WHERE thread_id = $1 ORDER BY checkpoint_id DESC"
    return Listing(
        request=ListThreadHistoryRequest(thread_id=thread.thread_id),
        rows="states",
        name=lambda state: str(state.checkpoint.checkpoint_id),
        expected=[row["checkpoint_id"] for row in await platform.pool.fetch(stored, thread.thread_id)],
        other=ListThreadHistoryRequest(thread_id=thread.thread_id, metadata_contains=json_of("{}")),
    )


LISTINGS: Listings = {"ListThreadHistory": _long_history}
