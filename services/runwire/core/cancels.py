"""What Redis is told once Postgres has decided on cancels, by whichever process asked for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import asyncpg

from runwire.core.bus import Bus, Keys
from runwire.core.ids import RunKey


async def tell(bus: Bus, tenant: str, rows: Sequence[asyncpg.Record]) -> None:
    """Workers stop what runs, followers look at what has ended, and workers are woken for what is next.

    `rows` are those of the SQL function `cancel_run`: outcome, promoted_graph_id, and of the run run_id, thread_id,
    worker_id and cancel_action.
    """
    requested = [row for row in rows if row["outcome"] == "requested"]
    ended = [row for row in rows if row["outcome"] == "cancelled"]
    await asyncio.gather(
        bus.cancel([(RunKey(tenant, row["run_id"]), row["worker_id"], row["cancel_action"]) for row in requested]),
        bus.wake([row["promoted_graph_id"] for row in rows if row["promoted_graph_id"] is not None]),
        bus.publish([message for row in ended for message in _news(bus.keys, tenant, row)]),
    )


def _news(keys: Keys, tenant: str, ended: asyncpg.Record) -> Iterator[tuple[str, bytes]]:
    """What makes followers of a run, and of its thread, look at the row."""
    yield keys.events(RunKey(tenant, ended["run_id"])), b""
    if ended["thread_id"] is not None:
        yield keys.thread(tenant, ended["thread_id"]), str(ended["run_id"]).encode()
