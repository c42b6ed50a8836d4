"""The event log survives a write whose answer is lost: what is repeated is neither doubled nor missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from runwire.core.bus import Bus
from runwire.core.postgres import Pool
from runwire.core.settings import Settings
from runwire.worker.fence import Fence
from runwire.worker.outbox import Outbox, RunOutbox


class ForgetfulPool:
    """Does what it is asked, and loses the first answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._has_lost = False

    async def execute(self, *args: Any, **kwargs: Any) -> str:
        done: str = await self._pool.execute(*args, **kwargs)
        if not self._has_lost:
            self._has_lost = True
            raise ConnectionResetError
        return done


@pytest.fixture
async def run_id(pool: Pool) -> UUID:
    """A run that is running under claim 1."""
    made = uuid4()
    await pool.execute(
        "INSERT INTO runs (run_id, assistant_id, assistant_version, graph_id, status, worker_id, claim, due_at,"
        " request, request_digest, created_at)"
        " VALUES ($1, 'a', 1, 'g', 'running', gen_random_uuid(), 1, now(), '', '', now())",
        made,
    )
    return made


async def _logged(pool: Pool, run_id: UUID) -> list[tuple[int, int, bytes]]:
    rows = await pool.fetch("SELECT first_seq, last_seq, events FROM run_events WHERE run_id = $1", run_id)
    return [tuple(row) for row in rows]


async def test_a_batch_whose_answer_was_lost_gives_way_to_the_longer_one(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID
) -> None:
    outbox = Outbox(ForgetfulPool(pool), bus, settings)
    box: RunOutbox = outbox.open(Fence(run_id, 1), logged=True)
    outbox.add(box, b"one")
    await outbox._log_pending()
    outbox.add(box, b"two")
    await outbox._log_pending()

    assert await _logged(pool, run_id) == [(1, 2, b"onetwo")]
    assert await outbox.take_unlogged(box) is None


async def test_the_last_batch_includes_what_was_logged_without_an_answer(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID
) -> None:
    outbox = Outbox(ForgetfulPool(pool), bus, settings)
    box: RunOutbox = outbox.open(Fence(run_id, 1), logged=True)
    outbox.add(box, b"one")
    await outbox._log_pending()
    last = await outbox.take_unlogged(box)
    assert last is not None

    await pool.execute(
        "SELECT finish_run($1, 1, 'default', NULL, 'success', NULL, NULL, NULL, NULL, NULL, $2, $3, $4)",
        run_id,
        last.first_seq,
        last.last_seq + 1,
        last.events + b"end",
    )

    assert await _logged(pool, run_id) == [(1, 2, b"oneend")]


async def test_the_last_batch_takes_the_place_of_all_that_was_logged_without_an_answer(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID
) -> None:
    outbox = Outbox(ForgetfulPool(pool), bus, settings)
    box: RunOutbox = outbox.open(Fence(run_id, 1), logged=True)
    large = b"x" * 400_000
    outbox.add(box, large)
    outbox.add(box, large)
    await outbox._log_pending()
    assert len(await _logged(pool, run_id)) == 2
    last = await outbox.take_unlogged(box)
    assert last is not None

    await pool.execute(
        "SELECT finish_run($1, 1, 'default', NULL, 'success', NULL, NULL, NULL, NULL, NULL, $2, $3, $4)",
        run_id,
        last.first_seq,
        last.last_seq + 1,
        last.events + b"end",
    )

    assert await _logged(pool, run_id) == [(1, 3, large + large + b"end")]


class SlowBus:
    """Publishes once it may, and remembers in which order."""

    def __init__(self, bus: Bus) -> None:
        self.keys = bus.keys
        self.may = asyncio.Event()
        self.asked = asyncio.Event()
        self.published: list[bytes] = []

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        self.asked.set()
        await self.may.wait()
        self.published += [message for _, message in messages]
        return True


async def test_the_last_publication_does_not_overtake_the_one_under_way(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID
) -> None:
    slow = SlowBus(bus)
    async with asyncio.timeout(10), Outbox(pool, cast(Bus, slow), settings) as outbox:
        box = outbox.open(Fence(run_id, 1), logged=False)
        outbox.add(box, b"one")
        await slow.asked.wait()
        outbox.add(box, b"two")
        # The block ends while the first one is under way.
        asyncio.get_running_loop().call_later(0.05, slow.may.set)

    assert slow.published == [b"one", b"two"]


async def test_a_stale_claim_logs_nothing(pool: Pool, bus: Bus, settings: Settings, run_id: UUID) -> None:
    outbox = Outbox(pool, bus, settings)
    box = outbox.open(Fence(run_id, 0), logged=True)
    outbox.add(box, b"one")
    await outbox._log_pending()

    assert await _logged(pool, run_id) == []


async def test_events_of_two_claims_of_a_run_go_out_side_by_side(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID
) -> None:
    outbox = Outbox(pool, bus, settings)
    former, own = (outbox.open(Fence(run_id, claim), logged=True) for claim in (0, 1))
    outbox.add(own, b"own")
    outbox.add(former, b"former")
    assert [message for _, message in outbox._take_messages()] == [b"own", b"former"]
    await outbox._log_pending()
    assert await _logged(pool, run_id) == [(1, 1, b"own")]


async def test_a_write_that_is_made_again_is_waited_for(
    pool: Pool, bus: Bus, settings: Settings, run_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(pool, bus, settings)
    box = outbox.open(Fence(run_id, 1), logged=True)
    outbox.add(box, b"one")
    write, begun = outbox._write, [asyncio.Event() for _ in range(2)]
    may_end, calls = [asyncio.Event() for _ in range(2)], iter(range(2))

    async def held_up(taken: Any) -> None:
        number = next(calls)
        begun[number].set()
        await may_end[number].wait()
        if number == 0:
            raise OSError
        await write(taken)

    async def log_twice() -> None:
        await outbox._log_pending()
        await outbox._log_pending()

    monkeypatch.setattr(outbox, "_write", held_up)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(log_twice())
        await begun[0].wait()
        taking = group.create_task(outbox.take_unlogged(box))
        await asyncio.sleep(0)
        may_end[0].set()
        await begun[1].wait()
        # Turns of the loop: more than it takes to hear of the first write's end.
        for _ in range(20):
            await asyncio.sleep(0)
        assert not taking.done()
        may_end[1].set()
    assert (taking.result(), await _logged(pool, run_id)) == (None, [(1, 1, b"one")])
