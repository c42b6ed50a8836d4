"""Two decisions at once, in all pairs and orders, on connections that hold each other up.

What comes of it is what comes of one after the other, and nobody waits in a circle. RUNWIRE_SLOW_TESTS=1 begins from
more states and holds more locks.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.core.errors import Refusal
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.run_message import STRATEGIES
from runwire.core.settings import Settings
from runwire.dispatch.clockwork import Clockwork
from runwire.dispatch.hints import Hints
from runwire.dispatch.run_requests import RunOrder
from runwire.dispatch.runs import Runs
from runwire.dispatch.runs_checks import CancelOrder
from runwire.worker import outbox
from runwire.worker.claims import ClaimedRun, Claims, Ending, LoggedEvents
from runwire.worker.registration import Registration
from tests.model.life_driver import CHECKPOINT, CLEAR, PICTURE, QUESTIONS, Wakes, run_id

SLOW_TESTS = bool(os.environ.get("RUNWIRE_SLOW_TESTS"))

_WORKER, _OTHER = UUID(int=1), UUID(int=2)
_RUN, _NEXT = run_id(1), run_id(2)

# Thread `t` has a run and one behind it.
_QUEUE = f"""
INSERT INTO threads (thread_id, graph_id, assistant_id) VALUES ('t', 'g', 'a');
INSERT INTO workers (worker_id, host, version, graph_ids, slots, lease)
VALUES ('{_WORKER}', 'h', '1', '{{g}}', 1, '5 minutes'), ('{_OTHER}', 'h', '1', '{{g}}', 1, '5 minutes');
INSERT INTO runs (run_id, thread_id, assistant_id, assistant_version, graph_id, ready, due_at, request, request_digest,
    created_at)
VALUES ('{_RUN}', 't', 'a', 1, 'g', true, now(), '', '', now()),
    ('{_NEXT}', 't', 'a', 1, 'g', false, now(), '', '', now());
"""
_RUNNING = f"""
UPDATE runs SET status = 'running', ready = false, worker_id = '{_WORKER}', executor = 0, claim = 1, attempts = 1,
    started_at = now(), began_at = now(), deadline_at = now() WHERE run_id = '{_RUN}';
INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint, metadata)
VALUES ('t', 'first', '{{"v": 4, "channel_versions": {{}}}}', '{{"run_id": "{_RUN}"}}');
"""
_STATES = {
    "the first is ready": _QUEUE,
    "the first is running": _QUEUE + _RUNNING,
    "the first is running, a rollback is asked for": _QUEUE + _RUNNING + "UPDATE runs SET cancel_action = 'rollback' "
    f"WHERE run_id = '{_RUN}';",
    "the first is running, its worker is dead": _QUEUE + _RUNNING + "UPDATE workers SET heartbeat_at = now() - "
    f"interval '1 hour' WHERE worker_id = '{_WORKER}';",
}
# What is held until both have begun, so that each is held up in its midst. None: the first one is left open.
_LOCKS = {
    "nothing": None,
    "the thread": "SELECT 1 FROM threads FOR UPDATE",
    "the run": f"SELECT 1 FROM runs WHERE run_id = '{_RUN}' FOR UPDATE",
}


@dataclass(frozen=True)
class Decision:
    """One of the pair.

    One that passes over what others hold, or that is about all runs of its moment, may as well have found nothing.
    """

    make: Callable[[Any, int], Awaitable[object]]
    passes_over: bool = False


def _claimed() -> ClaimedRun:
    return ClaimedRun(
        run_id=_RUN,
        tenant=DEFAULT_TENANT,
        thread_id="t",
        assistant_id="a",
        graph_id="g",
        claim=1,
        attempts=1,
        event_log=True,
        metadata="{}",
        timeout=timedelta(minutes=2),
        request=CreateRunRequest(),
    )


def _claims(db: Any, worker: UUID) -> Claims:
    return Claims(db, worker, 0, timedelta(minutes=2), 3)


def _hints() -> Hints:
    bus: Any = Wakes()
    return Hints(bus)


def _registration(db: Any) -> Registration:
    made = Registration(db, Settings())
    made.worker_id = _WORKER
    return made


async def _claim(db: Any, _: int) -> object:
    return [run.run_id for run in (await _claims(db, _OTHER).claim(["g"], 1)).runs]


def _finish(status: str) -> Callable[[Any, int], Awaitable[object]]:
    async def finish(db: Any, _: int) -> object:
        last = LoggedEvents(1, 2, b"ee")
        return (await _claims(db, _WORKER).finish(_claimed(), Ending(status=status), last)).outcome

    return finish


async def _release(db: Any, _: int) -> object:
    await _claims(db, _WORKER).release(_claimed(), use_up=True)
    return None


def _cancel(run: UUID, action: str) -> Callable[[Any, int], Awaitable[object]]:
    async def cancel(db: Any, _: int) -> object:
        async with _hints() as hints:
            try:
                return (await Runs(db, hints).cancel(DEFAULT_TENANT, run, action))["outcome"]
            except Refusal as refusal:
                return type(refusal).__name__

    return cancel


async def _cancel_all(db: Any, _: int) -> object:
    order = CancelOrder(run_ids=[], thread_id="t", status=None, action="interrupt")
    async with _hints() as hints:
        await Runs(db, hints).cancel_all(DEFAULT_TENANT, order)
    return None


def _create(strategy: str) -> Callable[[Any, int], Awaitable[object]]:
    async def create(db: Any, number: int) -> object:
        request = CreateRunRequest(thread_id="t", assistant_id="a", multitask_strategy=STRATEGIES[strategy])
        order = RunOrder(request=request, run_id=run_id(10 + number), thread_id="t", digest=b"")
        async with _hints() as hints:
            return (await Runs(db, hints).create(DEFAULT_TENANT, order))["outcome"]

    return create


async def _create_again(db: Any, _: int) -> object:
    order = RunOrder(request=CreateRunRequest(thread_id="t", assistant_id="a"), run_id=_RUN, thread_id="t", digest=b"")
    async with _hints() as hints:
        try:
            return (await Runs(db, hints).create(DEFAULT_TENANT, order))["outcome"]
        except Refusal as refusal:
            return type(refusal).__name__


async def _reap(db: Any, _: int) -> object:
    bus: Any = Wakes()
    await Clockwork(db, bus, Settings()).reap()
    return None


async def _executor_dies(db: Any, _: int) -> object:
    await _registration(db).release(0, use_up=True)
    return None


async def _beat(db: Any, _: int) -> object:
    return await _registration(db).beat() is None


async def _checkpoint(db: Any, number: int) -> object:
    body = json.dumps({"v": 4, "channel_versions": {}})
    place = ("t", "", f"later {number}", None, body, json.dumps({"run_id": str(_RUN)}))
    return await db.fetchval(CHECKPOINT["put_checkpoint"], DEFAULT_TENANT, _RUN, 1, *place, [], [], [], [])


async def _log(db: Any, _: int) -> object:
    row = (DEFAULT_TENANT, _RUN, 1, 1, 1, b"e")
    await db.execute(outbox.SQL["log_events"], *[[column] for column in row])
    return None


async def _ask_update(db: Any, number: int) -> object:
    arguments = (run_id(20 + number), DEFAULT_TENANT, "t", b"", timedelta(minutes=4))
    return (await db.fetchrow(QUESTIONS["ask_update"], *arguments))["busy"]


_DECISIONS = {
    "claim": Decision(_claim, passes_over=True),
    "succeed": Decision(_finish("success")),
    "end cancelled": Decision(_finish("cancelled")),
    "release": Decision(_release),
    "interrupt": Decision(_cancel(_RUN, "interrupt")),
    "roll back": Decision(_cancel(_RUN, "rollback")),
    "cancel the next": Decision(_cancel(_NEXT, "interrupt")),
    "cancel all": Decision(_cancel_all, passes_over=True),
    "create": Decision(_create("enqueue")),
    "create again": Decision(_create_again),
    "create, interrupting": Decision(_create("interrupt")),
    "create, rolling back": Decision(_create("rollback")),
    "reap": Decision(_reap, passes_over=True),
    "give back": Decision(_executor_dies, passes_over=True),
    "beat": Decision(_beat),
    "checkpoint": Decision(_checkpoint),
    "log": Decision(_log),
    "ask for an update": Decision(_ask_update),
}


class Arena:
    """Two connections that decide, one that holds a lock, and one that looks on."""

    def __init__(self, connections: list[Any]) -> None:
        self.first, self.second, self.holder, self.onlooker = connections

    async def serial(self, state: str, *names: str) -> tuple[object, dict[str, object]]:
        """What comes of decisions one after another."""
        await self._begin(state)
        answers = {name: await _DECISIONS[name].make(self.first, n) for n, name in self._numbered(names)}
        return await self._picture(), answers

    async def at_once(self, state: str, lock: str | None, one: str, other: str) -> tuple[object, dict[str, object]]:
        """What comes of two at once: the second begins when the first is held up, or is done and not committed."""
        await self._begin(state)
        if lock is not None:
            await self.holder.execute("BEGIN")
            await self.holder.execute(lock)
        first, second = self.first.transaction(), self.second.transaction()
        await first.start()
        await second.start()
        numbers = dict((name, n) for n, name in self._numbered((one, other)))
        tasks = []
        for db, name in ((self.first, one), (self.second, other)):
            tasks.append(asyncio.ensure_future(_DECISIONS[name].make(db, numbers[name])))
            await self._done_or_held_up(db, tasks[-1])
        if lock is not None:
            await self.holder.execute("COMMIT")
        answers = await self._commit_as_they_end({tasks[0]: (one, first), tasks[1]: (other, second)})
        return await self._picture(), answers

    async def _commit_as_they_end(self, running: dict[Any, tuple[str, Any]]) -> dict[str, object]:
        answers = {}
        async with asyncio.timeout(20):
            while running:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task in done]:
                    name, transaction = running.pop(task)
                    answers[name] = task.result()
                    await transaction.commit()
        return answers

    async def _done_or_held_up(self, db: Any, task: Any) -> None:
        while not task.done():
            await asyncio.wait([task], timeout=0.001)
            if await self.onlooker.fetchval("SELECT pg_blocking_pids($1) <> '{}'", db.get_server_pid()):
                return

    def _numbered(self, names: tuple[str, ...]) -> list[tuple[int, str]]:
        # The same numbers whatever the order, so that ids are alike.
        return [(sorted(_DECISIONS).index(name), name) for name in names]

    async def _begin(self, state: str) -> None:
        await self.onlooker.execute(f"{CLEAR};{state}")

    async def _picture(self) -> object:
        picture = json.loads(await self.onlooker.fetchval(PICTURE))
        # Runs that were created at once may come in either order.
        return json.dumps(picture, sort_keys=True)


@pytest.fixture(scope="module")
async def arena(life_database: str) -> AsyncIterator[Arena]:
    connections = [await asyncpg.connect(life_database) for _ in range(4)]
    for connection in connections:
        await connection.execute("SET deadlock_timeout = '100ms'; SET jit = off")
    yield Arena(connections)
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("lock", _LOCKS if SLOW_TESTS else ["nothing", "the thread"])
@pytest.mark.parametrize("state", _STATES if SLOW_TESTS else ["the first is ready", "the first is running"])
async def test_what_comes_of_two_at_once_is_what_comes_of_one_after_the_other(
    arena: Arena, state: str, lock: str
) -> None:
    names, told = sorted(_DECISIONS), _STATES[state]
    alone = {name: await arena.serial(told, name) for name in names}
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            allowed = [await arena.serial(told, one, other), await arena.serial(told, other, one)]
            pictures = [picture for picture, _ in allowed]
            if _DECISIONS[one].passes_over:
                pictures.append(alone[other][0])
            if _DECISIONS[other].passes_over:
                pictures.append(alone[one][0])
            for pair in ((one, other), (other, one)):
                picture, answers = await arena.at_once(told, _LOCKS[lock], *pair)
                assert picture in pictures, (pair, answers, picture, pictures)
                _check_answers(answers, allowed, alone)


def _check_answers(answers: dict[str, object], allowed: list[Any], alone: dict[str, Any]) -> None:
    for name, answer in answers.items():
        possible = [serial[1][name] for serial in allowed]
        if not any(_DECISIONS[each].passes_over for each in answers):
            assert answer in possible, (name, answer, possible)
