"""The stories that users play: each is a use of the platform, with all that it may bring."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2, thread_state_pb2
from runwire.api.resource.v1 import threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1.json_pb2 import Json
from tests.faults import plans
from tests.faults.calls import Calls, Refused, Unknown
from tests.faults.listeners import Listener
from tests.faults.load import Story, User
from tests.faults.plans import Plan
from tests.faults.rig import STRANGER


async def _one(user: User, plan: Plan) -> str:
    run_id = await user.create(plan)
    await user.end(run_id)
    return run_id


async def short(user: User) -> None:
    """A quick run; some have no thread."""
    if user.rng.random() < 0.3:
        user.thread_id = ""
    await _one(user, plans.short(user.rng))


async def many_steps(user: User) -> None:
    """Many checkpoints."""
    await _one(user, plans.many_steps(user.rng))


async def long(user: User) -> None:
    """Seconds of work."""
    await _one(user, plans.long(user.rng))


async def chatty(user: User) -> None:
    """Many events."""
    await _one(user, plans.chatty(user.rng))


async def parallel(user: User) -> None:
    """Branches."""
    await _one(user, plans.parallel(user.rng))


async def failing(user: User) -> None:
    """A user's exception is final; the thread goes on."""
    await _one(user, plans.failing(user.rng))
    if user.rng.random() < 0.3:
        await _one(user, plans.short(user.rng))


async def blocking(user: User) -> None:
    """Code that blocks; some of it is cancelled."""
    run_id = await user.create(plans.blocking(user.rng))
    if user.rng.random() < 0.4:
        await user.pause(0, 0.6)
        await user.cancel(run_id)
    await user.end(run_id)


async def stubborn(user: User) -> None:
    """Code that will not be cancelled is killed with its process."""
    run_id = await user.create(plans.stubborn(user.rng))
    await user.pause(0.3, 1.0)
    await user.cancel(run_id)
    await user.end(run_id)


async def deadly(user: User) -> None:
    """Three processes die of it, and no more."""
    await _one(user, plans.deadly(user.rng))


async def too_long(user: User) -> None:
    """The time limit of a run."""
    await _one(user, plans.too_long(user.rng))


async def cancelled(user: User) -> None:
    """A cancel at any moment of a run's life, perhaps undone as well; the thread goes on."""
    rng = user.rng
    if rng.random() < 0.4:
        await _one(user, plans.short(rng))
    run_id = await user.create(rng.choice([plans.long, plans.many_steps, plans.chatty])(rng))
    await user.pause(0, 1.5)
    rollback = rng.random() < 0.4
    await user.cancel(run_id, rollback=rollback)
    if rng.random() < 0.2:
        await user.cancel(run_id, rollback=rollback or rng.random() < 0.5)
    await user.end(run_id)
    if rng.random() < 0.4:
        await _one(user, plans.short(rng))


async def conversation(user: User) -> None:
    """Runs one after another on a thread, each on top of those before it."""
    for _ in range(user.rng.randint(2, 4)):
        await _one(user, plans.short(user.rng))


async def webhook(user: User) -> None:
    """Somebody is to be told of a run's end, whatever it is."""
    rng = user.rng
    plan = rng.choice([plans.short, plans.many_steps, plans.failing, plans.gate])(rng)
    run_id = await user.create(plan, notifies=True)
    if rng.random() < 0.3:
        await user.pause(0, 0.5)
        await user.cancel(run_id, rollback=rng.random() < 0.5)
    await user.end(run_id)


async def listened(user: User) -> None:
    """Somebody listens to a thread while its runs come, wait, are cancelled and end."""
    rng = user.rng
    listener = Listener(user.calls, user.thread_id)
    await user.end(await user.create(plans.short(rng)))
    listening = asyncio.create_task(listener.listen())
    try:
        async with asyncio.timeout(60):
            await listener.listening()
        run_ids = []
        for _ in range(rng.randint(2, 4)):
            run_ids.append(await user.create(rng.choice([plans.short, plans.many_steps, plans.failing])(rng)))
            await user.pause(0, 1.0)
        if rng.random() < 0.4:
            await user.cancel(rng.choice(run_ids))
        for run_id in run_ids:
            await user.end(run_id)
        await listener.finished(run_ids, within=60)
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


async def cancelled_together(user: User) -> None:
    """The runs of a thread are cancelled in one call, perhaps undone as well."""
    rng = user.rng
    run_ids = [await user.create(rng.choice([plans.short, plans.long])(rng)) for _ in range(rng.randint(2, 4))]
    await user.pause(0, 1.5)
    await user.cancel_together(run_ids, rollback=rng.random() < 0.4)
    for run_id in run_ids:
        await user.end(run_id)
    await _one(user, plans.short(rng))


async def deleted(user: User) -> None:
    """A run is deleted when it has ended; its thread goes on with what it left."""
    run_id = await user.create(plans.short(user.rng))
    if await user.end(run_id) == "success":
        await user.delete(run_id)
    await _one(user, plans.short(user.rng))


async def queue(user: User) -> None:
    """Runs that wait for one another; some are cancelled while they wait."""
    rng = user.rng
    run_ids = [await user.create(rng.choice([plans.short, plans.many_steps])(rng)) for _ in range(rng.randint(3, 5))]
    if rng.random() < 0.4:
        await user.cancel(rng.choice(run_ids[1:]), rollback=rng.random() < 0.4)
    for run_id in run_ids:
        await user.end(run_id)


async def busy_thread(user: User) -> None:
    """The strategies for a thread that is busy."""
    rng = user.rng
    run_ids = [await user.create(rng.choice([plans.long, plans.many_steps])(rng))]
    for _ in range(rng.randint(1, 3)):
        await user.pause(0, 0.8)
        strategy = rng.choice(["enqueue", "reject", "interrupt", "rollback", "rollback"])
        try:
            run_ids.append(await user.create(plans.short(rng), strategy=strategy))
        except Refused as refused:
            if refused.reason != "THREAD_BUSY":
                raise
    for run_id in run_ids:
        await user.end(run_id)


async def approval(user: User) -> None:
    """A pause, and an answer."""
    token = plans.new_token(user.rng)
    if await user.end(await user.create(plans.gate(user.rng), token)) != "interrupted":
        return
    await user.pause(0, 0.3)
    run_id = await user.answer(token)
    if user.rng.random() < 0.4:
        # Undone, it leaves the question as it was, and another answer may be given.
        await user.pause(0, 0.1)
        await user.cancel(run_id, rollback=True)
        if await user.end(run_id) != "gone":
            return
        run_id = await user.answer(token)
    await user.end(run_id)


async def state(user: User) -> None:
    """The thread's state is read, and written to."""
    await _one(user, plans.short(user.rng))
    token = plans.new_token(user.rng)
    update = thread_state_pb2.UpdateThreadStateRequest(
        thread_id=user.thread_id,
        updates=[
            thread_state_pb2.StateUpdate(
                values=Json(text=json.dumps({"inputs": [token], "run": "", "at": 0})), as_node="step"
            )
        ],
    )
    at = time.time_ns()
    note = user.calls.history.note
    try:
        await user.calls.once("thread_state", "UpdateThreadState", update, timeout=10)
    except Unknown:
        note("update unknown", at=at, thread=user.thread_id, token=token)
    except Refused as refused:
        note("update refused", at=at, thread=user.thread_id, token=token, reason=refused.reason)
    else:
        note("updated", at=at, thread=user.thread_id, token=token)
    try:
        asked = thread_state_pb2.GetThreadStateRequest(thread_id=user.thread_id)
        await user.calls.once("thread_state", "GetThreadState", asked, timeout=10)
    except (Unknown, Refused):
        return
    if user.rng.random() < 0.5:
        await _one(user, plans.short(user.rng))


async def bad_request(user: User) -> None:
    """What is wrong is said, and changes nothing."""
    request = plans.short(user.rng).request(plans.new_id(), plans.new_token(user.rng), user.thread_id)
    request.input.text = "{"
    request.config.recursion_limit = -1
    request.webhook.url = "gopher://nowhere"
    at = time.time_ns()
    try:
        await user.calls.definitely("runs", "CreateRun", request)
        answer: dict[str, object] = {"code": "OK"}
    except Refused as refused:
        answer = {"code": refused.code, "fields": sorted(refused.fields)}
    wrong = ["config.recursion_limit", "input", "webhook.url"]
    user.calls.history.note("bad request", at=at, run=request.run_id, thread=user.thread_id, wrong=wrong, **answer)


async def cron(user: User) -> None:
    """A cron that ticks some times on its thread."""
    cron_id, token = plans.new_id(), plans.new_token(user.rng)
    run = plans.short(user.rng).request("", token, user.thread_id)
    request = crons_pb2.CreateCronRequest(cron_id=cron_id, schedule="* * * * * */2", run=run)
    at = time.time_ns()
    await user.calls.definitely("crons", "CreateCron", request)
    user.calls.history.note("cron created", at=at, cron=cron_id, thread=user.thread_id, token=token, every=2)
    await user.pause(3, 8)
    await user.calls.definitely("crons", "UpdateCron", crons_pb2.UpdateCronRequest(cron_id=cron_id, enabled=False))
    user.calls.history.note("cron disabled", cron=cron_id)


async def batch(user: User) -> None:
    """Several runs in one call, all or none."""
    rng = user.rng
    chosen = [plans.short(rng) for _ in range(rng.randint(2, 4))]
    tokens = [plans.new_token(rng) for _ in chosen]
    made = [plan.request(plans.new_id(), token, user.thread_id) for plan, token in zip(chosen, tokens, strict=True)]
    at = time.time_ns()
    await user.calls.definitely("runs", "BatchCreateRuns", runs_pb2.BatchCreateRunsRequest(requests=made))
    for plan, token, each in zip(chosen, tokens, made, strict=True):
        user.note_created(plan, each.run_id, token, at)
    for each in made:
        await user.end(each.run_id)


async def delayed(user: User) -> None:
    """A run that is due later."""
    plan, token = plans.short(user.rng), plans.new_token(user.rng)
    request = plan.request(plans.new_id(), token, user.thread_id)
    request.start_delay.CopyFrom(Duration(nanos=user.rng.randint(1, 9) * 100_000_000))
    at = time.time_ns()
    await user.calls.definitely("runs", "CreateRun", request)
    user.note_created(plan, request.run_id, token, at, delayed=True)
    await user.end(request.run_id)


async def stranger(user: User) -> None:
    """Another tenant asks for what it must not know of: the answers are those of ids that nobody has."""
    run_id = await user.create(plans.many_steps(user.rng))
    theirs = user.calls.by(STRANGER)
    for service, method, request in _ASKS:
        try:
            told = await _told(theirs, service, method, request(run_id, user.thread_id))
            unknown = await _told(theirs, service, method, request(plans.new_id(), plans.new_id()))
        except Unknown:
            continue
        user.calls.history.note("stranger", run=run_id, method=method, told=told, unknown=unknown)
    await user.end(run_id)


_ASKS: Sequence[tuple[str, str, Callable[[str, str], Message]]] = [
    ("runs", "GetRun", lambda run_id, _: runs_pb2.GetRunRequest(run_id=run_id)),
    ("runs", "CancelRun", lambda run_id, _: runs_pb2.CancelRunRequest(run_id=run_id)),
    ("runs", "DeleteRun", lambda run_id, _: runs_pb2.DeleteRunRequest(run_id=run_id)),
    ("stream", "WaitRun", lambda run_id, _: stream_pb2.WaitRunRequest(run_id=run_id)),
    ("threads", "GetThread", lambda _, thread_id: threads_pb2.GetThreadRequest(thread_id=thread_id)),
    ("threads", "DeleteThread", lambda _, thread_id: threads_pb2.DeleteThreadRequest(thread_id=thread_id)),
    (
        "thread_state",
        "GetThreadState",
        lambda _, thread_id: thread_state_pb2.GetThreadStateRequest(thread_id=thread_id),
    ),
    (
        "runs",
        "ListRuns",
        lambda _, thread_id: runs_pb2.ListRunsRequest(filter=runs_pb2.RunFilter(thread_id=thread_id)),
    ),
]


async def _told(calls: Calls, service: str, method: str, request: Message) -> str:
    """The answer, without the ids that were asked for."""
    try:
        told = str(await calls.definitely(service, method, request, within=20))
    except Refused as refused:
        told = f"{refused.code} {refused.reason} {refused.details}"
    for _, value in request.ListFields():
        told = told.replace(str(value), "…")
    return told


ALL: Mapping[str, tuple[Story, float]] = {
    "short": (short, 22),
    "many_steps": (many_steps, 8),
    "long": (long, 6),
    "chatty": (chatty, 12),
    "parallel": (parallel, 5),
    "failing": (failing, 5),
    "blocking": (blocking, 4),
    "stubborn": (stubborn, 0.6),
    "deadly": (deadly, 0.4),
    "too_long": (too_long, 1.5),
    "cancelled": (cancelled, 9),
    "conversation": (conversation, 6),
    "queue": (queue, 5),
    "webhook": (webhook, 5),
    "listened": (listened, 5),
    "cancelled_together": (cancelled_together, 4),
    "deleted": (deleted, 3),
    "busy_thread": (busy_thread, 8),
    "approval": (approval, 6),
    "state": (state, 4),
    "bad_request": (bad_request, 2),
    "cron": (cron, 0.7),
    "batch": (batch, 3),
    "delayed": (delayed, 2),
    "stranger": (stranger, 1.5),
}
"""Each story, and how often it is played beside the others."""
