"""What a campaign leaves: rows that refused requests must not change, memory, alarms in logs, and nothing open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import psutil
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis import Redis

from runwire.api.dispatch.v1 import runs_pb2
from runwire.api.type.v1 import run_pb2
from runwire.core.settings import Settings
from tests.hostile.calls import Caller, Reply

# What a process logs only when something went wrong that no request may cause.
_ALARMS = (
    "bug",
    "attempt_broke",
    "state_failed",
    "state_unreadable",
    "executor_gone",
    "executor_killed",
    "lease_lost",
)
# langgraph's own words about a state that the Commands of several runs have made: valid ones, each.
_CLASHING_COMMANDS = "INVALID_CONCURRENT_GRAPH_UPDATE"
# gRPC's own words about bytes that are no HTTP/2.
_GRPC = re.compile(r"[IWE]\d{4} \S+ +\d+ \w+\.cc:\d+\]")
_BATCH = 40
_QUIET_SECONDS = 60.0
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'workers' ORDER BY 1"
_CONTENT = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t"
_ACTIVE = "SELECT count(*) FROM runs WHERE status IN ('pending', 'running')"
_QUIETEN = """
    UPDATE crons SET enabled = false, next_tick_at = NULL;
    UPDATE threads SET ttl = NULL, ttl_strategy = NULL;
    UPDATE store SET expires_at = NULL, ttl_minutes = NULL;
    DELETE FROM webhook_deliveries;
"""


class Rows:
    """The content of all tables, but for the heartbeats."""

    def __init__(self, database_uri: str) -> None:
        self._connection = psycopg.connect(database_uri, autocommit=True)
        self._tables = [name for (name,) in self._connection.execute(_TABLES)]

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def quieten(self, caller: Caller) -> None:
        """Ends whatever would change rows by itself."""
        for status in (run_pb2.RUN_STATUS_PENDING, run_pb2.RUN_STATUS_RUNNING):
            caller.call(runs_pb2.BatchCancelRunsRequest(status=status))
        self._connection.execute(_QUIETEN)
        until = monotonic() + _QUIET_SECONDS
        while self._connection.execute(_ACTIVE).fetchone() != (0,):
            assert monotonic() < until, "runs do not end"
            sleep(0.05)
            caller.call(runs_pb2.BatchCancelRunsRequest(status=run_pb2.RUN_STATUS_PENDING))
        self._connection.execute("DELETE FROM webhook_deliveries")

    def content(self) -> dict[str, Any]:
        """Each table's number of rows and their digest."""
        return {name: self._connection.execute(_CONTENT.format(name)).fetchone() for name in self._tables}


def changes_by(caller: Caller, rows: Rows, refused: Iterable[Reply]) -> tuple[int, list[str]]:
    """Repeats a sample of refused requests: how many were refused again, and what those changed all the same."""
    again, changes = 0, []
    before = rows.content()
    waiting = iter(refused)
    while batch := list(islice(waiting, _BATCH)):
        replies = [caller.begin(reply.rpc, reply.raw) for reply in batch]
        assert all(reply.done.wait(60) for reply in replies)
        accepted = [reply for reply in replies if reply.error is None]
        again += len(replies) - len(accepted)
        if accepted:
            # What they began, such as a run or a webhook's calls, would go on among the next ones.
            rows.quieten(caller)
            before = rows.content()
        elif (after := rows.content()) != before:
            names = {reply.rpc.name for reply in replies}
            changes.append(f"{ {n for n in after if after[n] != before[n]} } after one of {names}")
            before = after
    return again, changes


def memory(pids: dict[str, int]) -> dict[str, float]:
    """What each process holds, in MB, with the processes that it has started."""
    return {name: sum(map(_resident, _family(pid))) / 2**20 for name, pid in pids.items()}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _resident(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def families(pids: dict[str, int]) -> dict[str, set[int]]:
    """All processes that belong to each."""
    return {name: {process.pid for process in _family(pid)} for name, pid in pids.items()}


def followed(settings: Settings) -> list[str]:
    """Channels of runs and threads that still have a subscriber, although nobody follows any."""
    with Redis.from_url(settings.redis_uri, decode_responses=True) as redis:
        kinds = [f"{settings.redis_prefix}:{kind}:*" for kind in ("events", "thread", "done")]
        until = monotonic() + _QUIET_SECONDS
        while found := [channel for kind in kinds for channel in redis.pubsub_channels(kind)]:
            if monotonic() > until:
                break
            sleep(0.05)
        return found


def started(witness: Path, families: Mapping[str, set[int]]) -> list[str]:
    """The programs that these processes have started, but for their own parts."""
    pids = set().union(*families.values())
    noted = [line.split(" ", 2) for line in witness.read_text().splitlines()]
    words = [" ".join(line) for line in noted if line[1] != "import" and int(line[0]) in pids]
    return [line for line in words if "runwire.worker.executor_process" not in line]


def alarms(folder: Path) -> list[str]:
    """Lines of the processes' logs that no request may cause."""
    found = []
    for log in sorted(folder.glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if _GRPC.match(line):
                continue
            action = json.loads(line).get("action") if line.startswith("{") else None
            if action == "state_unreadable" and _CLASHING_COMMANDS in line:
                continue
            if action in _ALARMS or not line.startswith("{"):
                found.append(f"{log.name}: {line[:300]} … {line[-3000:]}")
    return found


def unhealthy(addresses: dict[str, str]) -> list[str]:
    """The processes that do not say SERVING."""
    found = []
    for name, address in addresses.items():
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            if answer.status != health_pb2.HealthCheckResponse.SERVING:
                found.append(name)
    return found
