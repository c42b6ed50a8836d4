"""Users, who play one story after another, and the pace at which they come."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.duration_pb2 import Duration

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from tests.faults import plans
from tests.faults.calls import Calls, Refused, Unknown
from tests.faults.plans import Plan
from tests.harness.platform import resume, status


class Running:
    """Runs that followers may join: those that have not ended, as far as their users know, and some that have."""

    def __init__(self, kept: int = 100) -> None:
        self._kept = kept
        self._active: dict[str, None] = {}
        self._ended: list[str] = []

    def add(self, run_id: str) -> None:
        """A further one."""
        self._active[run_id] = None

    def remove(self, run_id: str) -> None:
        """It has ended; the oldest of those is forgotten."""
        if run_id in self._active:
            del self._active[run_id]
            self._ended.append(run_id)
            del self._ended[: -self._kept]

    def is_active(self, run_id: str) -> bool:
        """Whether it has not ended."""
        return run_id in self._active

    def choose(self, rng: random.Random, share: float) -> str | None:
        """One of them: with a probability of `share` one that runs."""
        first, second = list(self._active), self._ended
        if rng.random() > share:
            first, second = second, first
        chosen = first or second
        return rng.choice(chosen) if chosen else None


class User:
    """One user in one story, on one thread (or none). Creations are made one after another, so their order is known."""

    def __init__(self, calls: Calls, rng: random.Random, running: Running, thread_id: str, hook: str = "") -> None:
        """`hook` is where webhooks are received."""
        self.calls = calls
        self._hook = hook
        self.rng = rng
        self.thread_id = thread_id
        self._running = running
        self._note = calls.history.note

    async def create(self, plan: Plan, token: str = "", *, strategy: str = "enqueue", notifies: bool = False) -> str:
        """The id of a run that was acknowledged. Refused when the thread is busy and the strategy says so."""
        token = token or plans.new_token(self.rng)
        run_id = plans.new_id()
        request = plan.request(run_id, token, self.thread_id, strategy)
        if notifies:
            request.webhook.url = self._hook
        await self._create(request, plan, token, strategy, notifies=notifies)
        return run_id

    async def answer(self, asked: str) -> str:
        """The id of a run that answers the question of the input with the token `asked`."""
        plan, run_id, answer = plans.answered(), plans.new_id(), plans.new_token(self.rng)
        request = plan.request(run_id, "", self.thread_id, command=resume(answer))
        await self._create(request, plan, "", leaves=[f"{answer}/ask", f"{asked}/answered"])
        return run_id

    async def _create(
        self, request: runs_pb2.CreateRunRequest, plan: Plan, token: str, strategy: str = "enqueue", **more: Any
    ) -> None:
        run_id = request.run_id
        at = time.time_ns()
        # What a strategy does to the runs before this one may be done from the first try on.
        self._note("creating", at=at, run=run_id, thread=self.thread_id, strategy=strategy)
        try:
            await self.calls.definitely("runs", "CreateRun", request)
        except Refused as refused:
            # An earlier try may have created it, and somebody have rolled it back since.
            if refused.reason != "ID_REUSED":
                self._note("refused", at=at, run=run_id, thread=self.thread_id, reason=refused.reason)
                raise
        self.note_created(plan, run_id, token, at, **more)

    def note_created(self, plan: Plan, run_id: str, token: str, at: int, **more: Any) -> None:
        """The creation was acknowledged."""
        fields = {"leaves": plan.leaves(token), **more}
        self._note(
            "created",
            at=at,
            run=run_id,
            thread=self.thread_id,
            graph=plan.graph,
            token=token,
            expects=plan.expects,
            logged=plan.event_log,
            **fields,
        )
        self._running.add(run_id)

    async def cancel(self, run_id: str, *, rollback: bool = False) -> None:
        """Asks for a run's end."""
        action = run_pb2.CANCEL_ACTION_ROLLBACK if rollback else run_pb2.CANCEL_ACTION_INTERRUPT
        request = runs_pb2.CancelRunRequest(run_id=run_id, action=action)
        at = time.time_ns()
        told = "gone"
        # From the first try on the run may be cancelled.
        self._note("cancelling", at=at, run=run_id, rollback=rollback)
        try:
            response = await self.calls.definitely("runs", "CancelRun", request)
        except Refused as refused:
            if refused.reason != "RUN_NOT_FOUND" or not rollback:
                self._note("misanswered", at=at, run=run_id, text=str(refused))
                return
        else:
            told = "requested" if response.run.cancel_requested else status(response.run)
        self._note("cancelled", at=at, run=run_id, rollback=rollback, told=told)

    async def cancel_together(self, run_ids: list[str], *, rollback: bool = False) -> None:
        """Asks for the end of the thread's runs. Of those that have ended the answer says nothing."""
        action = run_pb2.CANCEL_ACTION_ROLLBACK if rollback else run_pb2.CANCEL_ACTION_INTERRUPT
        at = time.time_ns()
        for run_id in run_ids:
            self._note("cancelling", at=at, run=run_id, rollback=rollback)
        request = runs_pb2.BatchCancelRunsRequest(thread_id=self.thread_id, action=action)
        response = await self.calls.definitely("runs", "BatchCancelRuns", request)
        for run in response.runs:
            told = "requested" if run.cancel_requested else status(run)
            self._note("cancelled", at=at, run=run.run_id, rollback=rollback, told=told)

    async def delete(self, run_id: str) -> None:
        """Removes a run that has ended."""
        at = time.time_ns()
        self._note("deleting", at=at, run=run_id)
        try:
            await self.calls.definitely("runs", "DeleteRun", runs_pb2.DeleteRunRequest(run_id=run_id))
        except Refused as refused:
            # A first try may have removed it.
            if refused.reason != "RUN_NOT_FOUND":
                raise
        self._note("deleted", at=at, run=run_id)

    async def end(self, run_id: str, *, within: float = 150.0) -> str:
        """Waits for a run's end; the answer is its status, or "gone" after a rollback."""
        at = time.time_ns()
        until = time.monotonic() + within
        wait = stream_pb2.WaitRunRequest(run_id=run_id, timeout=Duration(seconds=4))
        while time.monotonic() < until:
            try:
                response = await self.calls.definitely("stream", "WaitRun", wait)
            except Refused as refused:
                told = "gone" if refused.reason == "RUN_NOT_FOUND" else str(refused)
                self._running.remove(run_id)
                self._note("ended", at=at, run=run_id, status=told)
                return told
            if response.run.HasField("finish_time"):
                self._running.remove(run_id)
                self._note("ended", at=at, run=run_id, status=status(response))
                return status(response)
        self._note("not ended", at=at, run=run_id)
        return "not ended"

    async def pause(self, least: float, most: float) -> None:
        """Some time."""
        await asyncio.sleep(self.rng.uniform(least, most))


Story = Callable[[User], Awaitable[None]]


class Load:
    """Plays stories at a pace, until it is told to stop; then waits for those that are under way."""

    def __init__(
        self,
        calls: Calls,
        rng: random.Random,
        running: Running,
        stories: dict[str, tuple[Story, float]],
        hook: str = "",
    ) -> None:
        self._calls = calls
        self._rng = rng
        self._running = running
        self._stories = stories
        self._hook = hook
        self.stories_played = 0
        self.under_way: set[asyncio.Task[None]] = set()
        self.errors: list[str] = []

    async def play(self, pace: float, most: int, stop: asyncio.Event) -> None:
        """Begins `pace` stories a second, never more than `most` at once."""
        names = list(self._stories)
        weights = [self._stories[name][1] for name in names]
        while not stop.is_set():
            if len(self.under_way) < most:
                name = self._rng.choices(names, weights)[0]
                task = asyncio.create_task(self._play(name), name=f"story-{name}")
                self.under_way.add(task)
                task.add_done_callback(self.under_way.discard)
            await asyncio.sleep(self._rng.expovariate(pace))

    async def drained(self, within: float) -> list[str]:
        """Waits for the stories under way; the answer is those that do not end."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=within)
        late = [task.get_name() for task in self.under_way]
        for task in self.under_way:
            task.cancel()
        if self.under_way:
            await asyncio.wait(set(self.under_way))
        return late

    async def _play(self, name: str) -> None:
        rng = random.Random(self._rng.getrandbits(64))
        user = User(self._calls, rng, self._running, plans.new_id(), self._hook)
        try:
            await self._stories[name][0](user)
            self.stories_played += 1
            self._calls.history.note("story", name=name)
        except Unknown as error:
            self.errors.append(f"{name}: {error}")
        except Refused as refused:
            self._calls.history.note("misanswered", text=f"{name}: {refused}")
