"""All that is known after a campaign, in plain values: what the checker judges, and what its own tests forge."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from runwire.api.stream.v1 import stream_pb2
from tests.faults.history import read as read_history
from tests.faults.journal import Line
from tests.faults.journal import read as read_journal
from tests.faults.logs import Record, records
from tests.faults.reading import Digest, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A run's row as it became, and as it was. No `old_status`: it was created; no `status`: it was removed."""

    seq: int
    at: int
    run_id: str
    old_status: str | None = None
    status: str | None = None
    old_claim: int = 0
    claim: int = 0
    old_attempts: int = 0
    attempts: int = 0
    old_worker_id: str | None = None
    worker_id: str | None = None
    cancel_action: str | None = None
    thread_id: str | None = None
    tx: int = 0
    place: int | None = None
    """When it began, or else ended: microseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A worker began "draining", or was "gone"."""

    seq: int
    at: int
    worker_id: str
    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint of a run: its claim, and the step that it bears, of the input with that token."""

    seq: int
    run_id: str | None
    claim: int | None
    token: str | None
    step: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a run's graph wrote beside its checkpoints."""

    seq: int
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A batch of events that came into the log."""

    seq: int
    run_id: str
    claim: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """A run's event log at the end. `stretches` are the numbers it has of each claim."""

    stretches: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    digests: dict[tuple[int, int, int], str] = field(default_factory=dict)
    finished: tuple[int, int] | None = None
    events: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A run's row at the end."""

    status: str
    claim: int = 1
    attempts: int = 1
    error_type: str | None = None
    thread_id: str | None = None
    cron_id: str | None = None
    graph_id: str = "steps"
    output: Any = None
    """Of runs without a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A webhook that is owed, or was."""

    delivery_id: str
    run_id: str
    state: str


@dataclass(slots=True, kw_only=True)
class Evidence:
    """Everything. Each list is in the order in which it happened."""

    history: list[dict[str, Any]] = field(default_factory=list)
    journal: list[Line] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    stray_blobs: list[str] = field(default_factory=list)
    """Threads to which a transaction wrote channels' values and no checkpoint."""
    logged: list[Logged] = field(default_factory=list)
    logs: dict[str, RunLog] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    """Threads' values."""
    value_changes: list[tuple[int, int, str]] = field(default_factory=list)
    """Number, transaction and thread of each change of a thread's values."""
    updates: set[tuple[int, str]] = field(default_factory=set)
    """Transaction and thread of each update of a thread's state."""
    deliveries: list[Delivery] = field(default_factory=list)
    remains: dict[str, str] = field(default_factory=dict)
    """Runs without a row of which something is left, and what."""
    busy: list[str] = field(default_factory=list)
    """What is still waiting or held at the end, in words."""
    records: list[Record] = field(default_factory=list)
    """What processes logged of their lives, and as errors."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Baselines: {"before": {...}, "after": {...}}."""
    weights: dict[str, float] = field(default_factory=dict)
    """The stories that were asked for, and how often each is played beside the others."""

    def of(self, *ops: str) -> Iterable[dict[str, Any]]:
        """The history's entries of some operations."""
        return (entry for entry in self.history if entry["op"] in ops)


async def collect(uri: str, history: Path, journal: Path, logs: Path) -> Evidence:
    """The evidence of a campaign whose processes have come to rest.

    They go on meanwhile, through proxies that this process could hold up: a worker that can't renew its lease loses it.
    So the files are read beside them, and the tables as they are at one moment.
    """
    evidence = Evidence(
        history=await asyncio.to_thread(lambda: list(read_history(history))),
        journal=await asyncio.to_thread(lambda: list(read_journal(journal))),
        records=await asyncio.to_thread(lambda: list(records(logs))),
    )
    connection = await asyncpg.connect(uri)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await _read_audit(connection, evidence)
            await _read_rows(connection, evidence)
            await _read_log(connection, evidence)
    finally:
        await connection.close()
    return evidence


async def _read_audit(connection: Any, evidence: Evidence) -> None:
    for row in await connection.fetch(
        """
        SELECT seq, (extract(epoch FROM at) * 1000000000)::bigint AS at, run_id::text, old_status, status,
            COALESCE(old_claim, 0) AS old_claim, COALESCE(claim, 0) AS claim, COALESCE(old_attempts, 0) AS old_attempts,
            COALESCE(attempts, 0) AS attempts, old_worker_id::text, worker_id::text, cancel_action, thread_id,
            tx::text::bigint AS tx, (extract(epoch FROM place) * 1000000)::bigint AS place
        FROM audit.runs ORDER BY seq
        """
    ):
        evidence.changes.append(Change(**dict(row)))
    for row in await connection.fetch(
        "SELECT seq, (extract(epoch FROM at) * 1000000000)::bigint AS at, worker_id::text, event"
        " FROM audit.workers ORDER BY seq"
    ):
        evidence.lives.append(Life(**dict(row)))
    for row in await connection.fetch(
        "SELECT seq, run_id::text, claim, token, step FROM audit.checkpoints ORDER BY seq"
    ):
        evidence.saved.append(Saved(**dict(row)))
    for row in await connection.fetch("SELECT seq, run_id::text FROM audit.writes ORDER BY seq"):
        evidence.written.append(Written(**dict(row)))
    for row in await connection.fetch(
        "SELECT thread_id FROM audit.blobs b WHERE NOT EXISTS (SELECT FROM audit.checkpoints c WHERE c.tx = b.tx)"
    ):
        evidence.stray_blobs.append(row["thread_id"])
    for row in await connection.fetch(
        "SELECT seq, run_id::text, claim, first_seq AS first, last_seq AS last FROM audit.events ORDER BY seq"
    ):
        evidence.logged.append(Logged(**dict(row)))
    evidence.value_changes = [
        tuple(row)
        for row in await connection.fetch(
            "SELECT seq, tx::text::bigint, thread_id FROM audit.thread_values ORDER BY seq"
        )
    ]
    evidence.updates = {
        tuple(row) for row in await connection.fetch("SELECT tx::text::bigint, thread_id FROM audit.updates")
    }


async def _read_rows(connection: Any, evidence: Evidence) -> None:
    for row in await connection.fetch(
        """
        SELECT run_id::text, status, claim, attempts, error_type, thread_id, cron_id, graph_id,
            CASE WHEN thread_id IS NULL THEN output::text END AS output
        FROM runs
        """
    ):
        fields = dict(row)
        run_id, output = fields.pop("run_id"), fields.pop("output")
        evidence.rows[run_id] = Row(**fields, output=json.loads(output) if output else None)
    for row in await connection.fetch("SELECT delivery_id::text, run_id::text, state FROM webhook_deliveries"):
        evidence.deliveries.append(Delivery(**dict(row)))
    for row in await connection.fetch("SELECT thread_id, values::text AS values FROM threads"):
        evidence.values[row["thread_id"]] = json.loads(row["values"]) if row["values"] else None
    for row in await connection.fetch(
        """
        SELECT DISTINCT metadata ->> 'run_id' AS run_id, 'checkpoints' AS what FROM checkpoints c
        WHERE metadata ? 'run_id' AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id::text = c.metadata ->> 'run_id')
        UNION
        SELECT DISTINCT run_id::text, 'writes' FROM checkpoint_writes w
        WHERE run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = w.run_id)
        """
    ):
        evidence.remains[row["run_id"]] = row["what"]
    for row in await connection.fetch("SELECT request_id, kind, status FROM state_requests WHERE status <> 'done'"):
        evidence.busy.append(f"state request {row['request_id']} ({row['kind']}) is {row['status']}")


async def _read_log(connection: Any, evidence: Evidence) -> None:
    wanted: dict[str, set[tuple[int, int, int]]] = defaultdict(set)
    for entry in evidence.of("read"):
        wanted[entry["run"]].update(tuple(part[:3]) for part in entry["parts"] if part[0] != "gap")
    run_id = ""
    batches: list[bytes] = []
    statement = "SELECT run_id::text, events FROM run_events ORDER BY run_id, claim, first_seq"
    async for row in connection.cursor(statement, prefetch=500):
        if row["run_id"] != run_id:
            _add_log(evidence, run_id, batches, wanted)
            run_id, batches = row["run_id"], []
        batches.append(row["events"])
    _add_log(evidence, run_id, batches, wanted)


def _add_log(
    evidence: Evidence, run_id: str, batches: list[bytes], wanted: dict[str, set[tuple[int, int, int]]]
) -> None:
    if batches:
        evidence.logs[run_id] = log_of(batches, wanted[run_id])


def log_of(batches: list[bytes], wanted: Iterable[tuple[int, int, int]]) -> RunLog:
    """What a run's batches hold, with the digests of the stretches that are `wanted`."""
    events: dict[int, dict[int, stream_pb2.RunEvent]] = defaultdict(dict)
    finished, count = None, 0
    for batch in batches:
        for event in stream_pb2.StreamRunResponse.FromString(batch).events:
            claim, seq = place_of(event.event_id)
            events[claim][seq] = event
            count += 1
            if event.WhichOneof("payload") == "finished":
                finished = (claim, seq)
    digests = {}
    for claim, first, last in wanted:
        if all(seq in events[claim] for seq in range(first, last + 1)):
            digest = Digest()
            for seq in range(first, last + 1):
                digest.add(events[claim][seq])
            digests[claim, first, last] = digest.text()
    stretches = {claim: _stretches(sorted(those)) for claim, those in events.items() if those}
    return RunLog(stretches=stretches, digests=digests, finished=finished, events=count)


def _stretches(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
