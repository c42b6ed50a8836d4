"""A run's life on a real Postgres, a thousand histories, step by step beside the model (I1, I2, I3, I5, I9)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwire.core.settings import Settings
from tests.model.life_driver import CLEAR, Life

# Of each part.
_HISTORIES = int(os.environ.get("RUNWIRE_MODEL_HISTORIES", "80"))

Step = tuple[str, int, int]

_THREADS = ("s", "t")
_STATUSES = ("success", "success", "success", "interrupted", "error", "timeout", "cancelled")
_STRATEGIES = ("enqueue", "enqueue", "enqueue", "reject", "interrupt", "rollback")
_DELAYS = (0, 0, 0, 1, 3)
_ACTIONS = ("interrupt", "rollback")

# What each step does with its two numbers.
_STEPS: dict[str, Callable[[Life, int, int], Awaitable[None]]] = {
    "create": lambda life, a, b: life.create(
        (*_THREADS, *_THREADS, None)[a % 5], _STRATEGIES[b % 6], _DELAYS[b // 6 % 5], a % 2 == 0
    ),
    "claim": lambda life, a, b: life.claim(a, b % 2, 1 + b % 3),
    "finish": lambda life, a, b: life.finish(a, _STATUSES[b % 7]),
    "release": lambda life, a, b: life.release(a, use_up=b % 2 == 0, delay=_DELAYS[b // 2 % 5]),
    "cancel": lambda life, a, b: life.cancel(a, _ACTIONS[b % 2]),
    "cancel all": lambda life, a, b: life.cancel_all(_THREADS[a % 2], _ACTIONS[b % 2]),
    "delete": lambda life, a, _: life.delete(a),
    "checkpoint": lambda life, a, _: life.put_checkpoint(a),
    "write": lambda life, a, b: life.put_write(a, b % 3 - 2),
    "log": lambda life, a, b: life.log(a, 1 + b % 3),
    "new worker": lambda life, _, __: life.begin_worker(),
    "beat": lambda life, a, b: life.beat(a, draining=b % 5 == 0),
    "executor dies": lambda life, a, b: life.executor_dies(a, b % 2, use_up=b % 4 < 2),
    "overdue": lambda life, a, _: life.end_overdue(a),
    "drain": lambda life, a, _: life.drain(a),
    "sweep": lambda life, _, __: life.sweep(),
    "advance": lambda life, a, _: life.advance((1, 2, 6)[a % 3]),
    "ask update": lambda life, a, _: life.ask_update(_THREADS[a % 2]),
    "claim update": lambda life, a, _: life.claim_update(a),
    "end update": lambda life, a, _: life.end_update(a),
}
OPTIONS = [*_STEPS, "create", "create", "claim", "claim", "finish", "cancel", "checkpoint", "write"]

_STEP = st.tuples(
    # A failure's steps that do not matter become nothing.
    st.sampled_from(["nothing", *OPTIONS]),
    # Mostly the newest worker, run or claim.
    st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 5]),
    st.integers(0, 29),
)


async def live(connection: Any, steps: list[Step]) -> Life:
    """A history, compared with the model after each of its steps, and then brought to an end."""
    await connection.execute(CLEAR)
    life = Life(connection, Settings())
    await life.begin_worker()
    for name, a, b in steps:
        if name == "nothing":
            continue
        ready = life.ready
        await _STEPS[name](life, a, b)
        if name == "advance":
            # What is due now was told of by the clockwork, or will be.
            life.wakes.graphs.append("time")
        await life.check(ready)
    return life


async def bring_to_an_end(life: Life) -> None:
    """I1: with a worker that lives, every run comes to an end, and to one alone. What comes late begins none anew."""
    for _ in range(len(life.model.runs) + 3):
        await life.advance(10)
        await life.sweep()
        await life.begin_worker()
        await life.claim(0, 0, 100)
        for choice in range(life.claims):
            await life.finish(choice, "success")
    await life.create_all_again()
    life.wakes.graphs.append("time")
    await life.check(set())
    assert not [run for run in life.model.runs.values() if run.is_active]
    assert set(life.model.owed) >= set(life.model.runs)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
@settings(
    max_examples=_HISTORIES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(_STEP, min_size=20, max_size=40))
async def test_the_tables_are_what_the_model_says(connection: Any, part: int, steps: list[Step]) -> None:
    await bring_to_an_end(await live(connection, steps))
