"""The product made wrong in ways that are classic for a follow. A simulation that misses one is good for nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from math import inf
from typing import Any
from unittest.mock import patch

from runwire.stream import position
from runwire.stream.fanout import Channel, LiveQueue
from runwire.stream.follow import Follower
from runwire.stream.log import Log, Look, RunRow
from runwire.stream.position import Fit, Position
from runwire.stream.selection import Selection
from runwire.worker.outbox import Outbox
from tests.model.follow_reader import SimulatedReader, Visit
from tests.model.simulated_postgres import RunRow as SimulatedRow
from tests.model.simulated_postgres import SimulatedPostgres

_look, _fit, _plan, _init = Log.look, position.fit, SimulatedReader.plan, LiveQueue.__init__


async def _does_not_wait(_: Channel) -> None:
    """The subscription is under way, and the log is read."""


async def _torn_look(log: Log, after: Position) -> Look:
    first = await _look(log, after)
    second = await _look(log, after)
    return replace(first, row=second.row)


async def _one_page(log: Log, after: Position) -> Look:
    return replace(await _look(log, after), has_more=False)


def _trusts_newer(at: Position, claim: int, first_seq: int, last_seq: int) -> Fit:
    found = _fit(at, claim, first_seq, last_seq)
    return Fit.NEXT if found is Fit.NEWER else found


def _hears_the_dead(at: Position, claim: int, first_seq: int, last_seq: int) -> Fit:
    return Fit.NEXT if claim < at.claim else _fit(at, claim, first_seq, last_seq)


def _no_heartbeat(reader: SimulatedReader, visit: Visit) -> Any:
    return replace(_plan(reader, visit), heartbeat=inf)


def _no_limit(queue: LiveQueue, limit: int, woken: Any = None) -> None:
    _init(queue, 10**9, woken)


def _unfenced_log(postgres: SimulatedPostgres, *columns: list[Any]) -> None:
    for _, run_id, claim, first, last, events in zip(*columns, strict=True):
        if run_id in postgres.runs:
            postgres.runs[run_id].events[claim, first] = (last, events)


def _keep_what_is_repeated(_: SimulatedRow, __: int, ___: int) -> None:
    """The last batch lies over those that it repeats."""


def _takes_at_once(outbox: Outbox, box: Any) -> Any:
    box.in_flight = None
    return _take(outbox, box)


async def _overtakes(outbox: Outbox) -> None:
    if messages := outbox._take_messages():
        await outbox._bus.publish(messages)


_take = Outbox.take_unlogged

Mutant = Callable[[], AbstractContextManager[Any]]

MUTANTS: dict[str, Mutant] = {
    "the log is read before the subscription is acknowledged": lambda: patch.object(
        Channel, "wait_until_live", _does_not_wait
    ),
    "no position check": lambda: patch("runwire.stream.position.fit", lambda *_: Fit.NEXT),
    "a newer claim is believed without a look": lambda: patch("runwire.stream.position.fit", _trusts_newer),
    "a claim that was taken over is heard": lambda: patch("runwire.stream.position.fit", _hears_the_dead),
    "no look in silence": lambda: patch.object(Follower, "_quiet_span", lambda _: inf),
    "finished only from the bus": lambda: patch.object(Follower, "_end_from", lambda *_: None),
    "a queue without a limit": lambda: patch.object(LiveQueue, "__init__", _no_limit),
    "gaps are not said": lambda: patch.object(Follower, "_say_gap", lambda *_: None),
    "holes are given up at once": lambda: patch.object(RunRow, "may_still_log", lambda *_: False),
    "a batch is sent again from its beginning": lambda: patch.object(Selection, "take", lambda _, batch, __: batch.raw),
    "the row is read after the log": lambda: patch.object(Log, "look", _torn_look),
    "the log's first page is all": lambda: patch.object(Log, "look", _one_page),
    "no heartbeats": lambda: patch.object(SimulatedReader, "plan", _no_heartbeat),
    "events are logged without the fence": lambda: patch.object(SimulatedPostgres, "log_events", _unfenced_log),
    "a log write that failed is forgotten": lambda: patch.object(Outbox, "_put_back", lambda *_: None),
    "a log write under way is not waited for": lambda: patch.object(Outbox, "take_unlogged", _takes_at_once),
    "the last publication overtakes the one under way": lambda: patch.object(Outbox, "_publish_dirty", _overtakes),
    "the last batch lies over others": lambda: patch.object(SimulatedRow, "remove_repeated", _keep_what_is_repeated),
}
