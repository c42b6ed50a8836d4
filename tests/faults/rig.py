"""The processes under test: two of each service, three workers, a Postgres and a Redis, and proxies between them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

from runwire.cli.errors import StackError
from runwire.cli.ports import free_port
from runwire.cli.process import Process
from runwire.cli.stack import Stack
from runwire.core.access.api_keys import add_line, new_key
from runwire.core.ids import DEFAULT_TENANT
from runwire.core.postgres import migrate
from runwire.core.settings import Settings
from runwire.embedded import Postgres, Redis
from tests.faults.journal import JOURNAL_VARIABLE
from tests.faults.proxy import Link

HERE = Path(__file__).parent
PROJECT = HERE / "project" / "langgraph.json"

SERVICES = ("resource-1", "resource-2", "dispatch-1", "dispatch-2", "stream-1", "stream-2")
WORKERS = ("worker-1", "worker-2", "worker-3")

STRANGER = "stranger"
TENANTS = (DEFAULT_TENANT, STRANGER)

VERSIONS = ("1", "2", "3")

_START_SECONDS = 90.0

# Short, so that faults and recoveries overlap, and fair: a lease is five heartbeats, as it is by default.
TIMES: dict[str, timedelta] = {
    "heartbeat_interval": timedelta(seconds=0.8),
    "lease": timedelta(seconds=4),
    "poll_interval": timedelta(seconds=1),
    "sweep_interval": timedelta(seconds=0.7),
    "cancel_grace": timedelta(seconds=1.5),
    "drain_timeout": timedelta(seconds=1.5),
    "shutdown_grace": timedelta(seconds=1),
    "retry_delay": timedelta(seconds=0.1),
    "event_flush_interval": timedelta(seconds=0.1),
    "postgres_timeout": timedelta(seconds=5),
    "statement_timeout": timedelta(seconds=5),
    "webhook_timeout": timedelta(seconds=3),
    "webhook_retry_delay": timedelta(seconds=0.5),
}


class Member:
    """One process, in its own stack, since its way to Postgres and Redis is its own."""

    def __init__(self, name: str, version: str, stack: Stack, postgres: Link, redis: Link) -> None:
        self.name = name
        self.version = version
        self.stack = stack
        self.postgres = postgres
        self.redis = redis
        self.front: Link | None = None
        self.busy = False
        """A fault has it in hand, which restarts it or lets it go on."""

    @property
    def part(self) -> str:
        """resource, dispatch, stream or worker."""
        return self.name.partition("-")[0]

    @property
    def process(self) -> Process:
        """The process of the operating system, of which `pid` may be None."""
        return self.stack.process(self.name)

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self.process.pid

    def executors(self) -> list[psutil.Process]:
        """A worker's executors."""
        with suppress(psutil.NoSuchProcess):
            if self.pid is not None:
                return psutil.Process(self.pid).children()
        return []

    def signal(self, number: int, *, supervisor: bool = True, executors: bool = False) -> list[int]:
        """Sends a signal; the answer is to whom."""
        pids = [found.pid for found in self.executors()] if executors else []
        pids += [self.pid] if supervisor and self.pid is not None else []
        told = []
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
                told.append(pid)
        return told

    async def restart(self) -> None:
        """Ends what still runs and starts it anew at the same address; returns when it is ready.

        Without a Postgres a process does not start; whoever looks after it starts it again until it does.
        """
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with suppress(StackError):
                    await self.stack.restart(self.name)
                    return
                await asyncio.sleep(0.3)


class Rig:
    """All of it."""

    def __init__(self, postgres: Postgres, redis: Redis, folder: Path, changes: dict[str, Any]) -> None:
        self.postgres = postgres
        self.redis = redis
        self.folder = folder
        self.members: dict[str, Member] = {}
        self.links: list[Link] = []
        self.redis_prefix = "faults"
        self.servers_in_hand: set[str] = set()
        self._ports: set[int] = set()
        self._numbers = itertools.count(len(WORKERS) + 1)
        self.keys = {tenant: self._new_key(tenant) for tenant in TENANTS}
        self._changes = changes

    @property
    def _keys_file(self) -> Path:
        return self.folder / "keys"

    def _new_key(self, tenant: str) -> str:
        key, line = new_key(tenant, "campaign", ["*"], None)
        add_line(self._keys_file, line)
        return key

    @property
    def journal(self) -> Path:
        """Where the graphs note what they do."""
        return self.folder / "journal"

    def of(self, *parts: str) -> list[Member]:
        """The members of some parts."""
        return [member for member in self.members.values() if member.part in parts]

    async def link(self, name: str, host: str, port: int) -> Link:
        """A further link."""
        made = await Link(name, host, port).open()
        self.links.append(made)
        return made

    async def member(self, name: str, *, version: str = "1") -> Member:
        """A further process, ready; a worker of another version says so in its row and in the journal."""
        postgres = await self.link(f"postgres<{name}", "127.0.0.1", self.postgres.port)
        redis = await self.link(f"redis<{name}", "127.0.0.1", self.redis.port)
        fields: dict[str, Any] = {
            "database_uri": postgres.uri(self.postgres.uri),
            "redis_uri": redis.uri(self.redis.uri),
            "redis_prefix": self.redis_prefix,
            "api_keys_file": str(self._keys_file),
            "graphs": PROJECT,
            "executors": 1,
            "slots": 24,
            "run_timeout": timedelta(minutes=10),
            "log_level": "INFO",
            "webhook_private_addresses": True,
            "reflection": False,
            f"{name.partition('-')[0]}_port": self._port(),
            **TIMES,
            **self._changes,
        }
        stack = VersionedStack(Settings(**fields), self.folder / "logs", self.environment(version))
        member = self.members[name] = Member(name, version, stack, postgres, redis)
        member.busy = True
        try:
            await stack.start(name)
        except StackError:
            await member.restart()
        if member.part != "worker":
            parts = urlsplit(f"//{stack.address(name)}")
            member.front = await self.link(f"grpc>{name}", parts.hostname or "", parts.port or 0)
        member.busy = False
        return member

    def next_name(self, part: str) -> str:
        """Of a member that there has not been yet."""
        return f"{part}-{next(self._numbers)}"

    async def remove(self, member: Member) -> None:
        """Ends it, and its links."""
        await member.stack.end()
        del self.members[member.name]
        for link in (member.postgres, member.redis):
            self.links.remove(link)
            await link.close()

    def _port(self) -> int:
        """One that no other member has either, which it may not yet listen on."""
        port = free_port("127.0.0.1", self._ports)
        self._ports.add(port)
        return port

    def environment(self, version: str) -> dict[str, str]:
        """What processes find in their environment beside their settings."""
        path = [str(HERE / "inside"), os.environ.get("PYTHONPATH", "")]
        if version != "1":
            path.insert(0, str(self._other_version(version)))
        return {
            JOURNAL_VARIABLE: str(self.journal),
            "FAULTS_VERSION": version,
            "FAULTS_FIGURES": str(self.folder / "figures"),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
        }

    def _other_version(self, version: str) -> Path:
        """A folder in which the installed package claims to be of another version."""
        folder = self.folder / f"version-{version}"
        metadata = folder / f"runwire-{version}.dist-info"
        metadata.mkdir(parents=True, exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: runwire\nVersion: {version}\n")
        return folder

    def calm(self) -> None:
        """Ends all that is wrong with the network, and lets everybody go on."""
        for link in self.links:
            link.calm()
        for member in self.members.values():
            member.signal(signal.SIGCONT, executors=True)

    async def end(self) -> None:
        """Ends all processes and links."""
        self.calm()
        workers = [member for member in self.members.values() if member.part == "worker"]
        services = [member for member in self.members.values() if member.part != "worker"]
        for those in (workers, services):
            await asyncio.gather(*(member.stack.end() for member in those))
        for link in self.links:
            await link.close()


class VersionedStack(Stack):
    """Processes with something more in their environment."""

    def __init__(self, settings: Settings, log_dir: Path, environment: dict[str, str]) -> None:
        super().__init__(settings, log_dir)
        self._more = environment

    def _environment(self, part: str, port: int) -> dict[str, str]:
        return {**super()._environment(part, port), **self._more}


@asynccontextmanager
async def rigged(folder: Path, names: Iterable[str] = (*WORKERS, *SERVICES), **changes: Any) -> AsyncIterator[Rig]:
    """Everything, ready. `changes` are settings."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    async with AsyncExitStack() as stack:
        home = folder / "servers"
        redis = await stack.enter_async_context(Redis(home, durable=False))
        postgres = await stack.enter_async_context(Postgres(home, durable=False))
        stack.callback(postgres.home.remove_if_outside)
        await migrate(postgres.uri)
        await _audit(postgres.uri)
        rig = Rig(postgres, redis, folder, changes)
        rig.journal.touch()
        stack.push_async_callback(rig.end)
        await _start(rig, names)
        yield rig


async def _audit(uri: str) -> None:
    connection = await asyncpg.connect(uri)
    try:
        await connection.execute((HERE / "audit.sql").read_text())
    finally:
        await connection.close()


async def _start(rig: Rig, names: Iterable[str]) -> None:
    processors = asyncio.Semaphore(max(2, os.cpu_count() or 2))

    async def start(name: str) -> None:
        async with processors:
            await rig.member(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(start(name))
