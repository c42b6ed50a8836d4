"""The model notices when a statement forgets what it is there for; RUNWIRE_SLOW_TESTS=1 tries them all."""

from __future__ import annotations

import os
import random
from typing import Any

import asyncpg
import pytest

from tests.model.test_life import OPTIONS, bring_to_an_end, live

SLOW_TESTS = bool(os.environ.get("RUNWIRE_SLOW_TESTS"))
_HISTORIES = 400

# A function, what is taken out of it, and what is put in its place.
_MUTANTS = {
    "a run is given back by a claim that is over": ("release_run", "AND r.claim = p_claim", ""),
    "a cancel that came first is forgotten at the end": (
        "finish_run",
        "AND p_status <> 'cancelled' THEN",
        "AND false THEN",
    ),
    "a cancel that came first is forgotten at a release": (
        "release_run",
        "IF mine.cancel_action IS NOT NULL",
        "IF false",
    ),
    "the next run is not promoted": ("finish_run", "promoted_graph_id := pass_turn_on(p_tenant, p_thread_id)", "NULL"),
    "the newest run is next": (
        "pass_turn_on",
        "ORDER BY r.due_at, r.position",
        "ORDER BY r.due_at DESC, r.position DESC",
    ),
    "runs do not wait for an update": ("wait_for_state_update", "NOT EXISTS", "true OR NOT EXISTS"),
    "a rollback keeps the checkpoints": (
        "end_cancelled_row",
        "PERFORM delete_checkpoints_of_run",
        "PERFORM checkpoint_thread",
    ),
    "an attempt given back counts": ("release_run", "GREATEST(attempts - 1, 0)", "attempts"),
    "a rollback owes no webhook": ("settle_webhook_of_removed_run", "IF OLD.finished_at IS NOT NULL", "IF true"),
    "a run that is gone is created again": ("remember_removed", "now() - interval '1 day'", "now()"),
    "runs of the dead stay theirs": ("reap_dead_workers", "d.heartbeat_at + d.lease < now()", "false"),
}

# It takes many histories to meet these.
_RARE = {
    "an interrupt overrides a rollback": (
        "cancel_run",
        "WHEN r.cancel_action = 'rollback' THEN 'rollback'",
        "WHEN false THEN ''",
    ),
    "a run is ended by a claim that is over": ("finish_run", "AND r.claim = p_claim", ""),
    "a run that was begun loses its turn": ("pass_turn_on", "r.claim > 0", "false"),
    "a rollback does not put back what was replaced": (
        "delete_checkpoints_of_run",
        "AND replaced_blob IS NOT NULL",
        "AND false",
    ),
    "the turn is passed on beside an update": ("pass_turn_on", "s.status <> 'done'", "false"),
    "an update is ended by a claim that is over": ("end_state_update", "AND s.claim = p_claim", ""),
}


@pytest.mark.parametrize("name", [*_MUTANTS, *(_RARE if SLOW_TESTS else ())])
async def test_it_is_noticed_when(connection: Any, name: str) -> None:
    function, taken, put = {**_MUTANTS, **_RARE}[name]
    source = await connection.fetchval("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1", function)
    assert taken in source
    await connection.execute(source.replace(taken, put))
    try:
        assert await _is_noticed(connection)
    finally:
        await connection.execute(source)


async def _is_noticed(connection: Any) -> bool:
    for seed in range(_HISTORIES):
        rng = random.Random(seed)
        steps = [(rng.choice(OPTIONS), rng.choice([0, 0, 0, 1, 1, 2, 3]), rng.randrange(30)) for _ in range(40)]
        try:
            await bring_to_an_end(await live(connection, steps))
        except (AssertionError, asyncpg.PostgresError):
            return True
    return False
