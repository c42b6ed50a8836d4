"""Copying, pruning and removing checkpoints, on a caller's connection. Knows the tables, and nothing of langgraph.

Threads are named by the values of the checkpoint tables' own thread_id column, see runwire.core.checkpoint_threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import asyncpg

from runwire.core.sql import load

SQL = load(__file__)

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


async def delete_threads(connection: Connection, threads: Sequence[str]) -> None:
    """Removes all that is stored of the threads."""
    await connection.execute(SQL["delete_threads"], threads)


async def copy_thread(connection: Connection, source: str, target: str) -> None:
    """Copies every checkpoint with its blobs and writes; what the target has already, it keeps."""
    await connection.execute(SQL["copy_thread"], source, target)


async def keep_latest(connection: Connection, thread: str) -> None:
    """Removes what the thread's latest state does not need. In a transaction, with no writer of the thread beside."""
    await _sweep(connection, "doomed_but_latest", thread)


async def delete_runs(connection: Connection, run_ids: Sequence[str], tenant: str) -> None:
    """Removes the checkpoints that a tenant's runs made, where no other needs them. In a transaction."""
    await _sweep(connection, "doomed_with_runs", run_ids, tenant)


async def _sweep(connection: Connection, find: str, *values: Any) -> None:
    if doomed := await connection.fetch(SQL[find], *values):
        await connection.execute(SQL["sweep"], *(list(column) for column in zip(*doomed, strict=True)))
