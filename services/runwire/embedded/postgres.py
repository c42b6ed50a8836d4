"""The embedded Postgres: one cluster, one database `runwire`, on 127.0.0.1 with a password."""

import asyncio
import shutil
import signal
from pathlib import Path
from typing import ClassVar

import asyncpg

from runwire.embedded.binaries import PostgresPrograms, find_postgres
from runwire.embedded.errors import EmbeddedError
from runwire.embedded.process import Child
from runwire.embedded.server import Server

_NAME = "runwire"
_INITDB_LIMIT = 120.0  # seconds
_SAFE = {"synchronous_commit": "on", "max_connections": "200", "shared_buffers": "128MB"}
_FAST = {**_SAFE, "max_connections": "300", "fsync": "off", "full_page_writes": "off"}


class Postgres(Server):
    """Postgres on 127.0.0.1. The data folder is opened only by programs of the major version that made it."""

    word: ClassVar[str] = "postgres"
    # A fast shutdown, then an immediate one.
    _end_steps: ClassVar[tuple[tuple[int, float], ...]] = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0))

    @property
    def uri(self) -> str:
        return self._uri(_NAME)

    def _uri(self, database: str) -> str:
        return f"postgresql://{_NAME}:{self.password}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    async def _prepare(self) -> None:
        self._programs = await asyncio.to_thread(self._find_programs)
        if not self._data.exists():
            await self._make_cluster()
        # The lock on the state folder is ours and the leftover is gone: what this file says can only be about
        # a process that ended without being reaped, or a stranger that got its number. Postgres would refuse
        # to start because of it; its own check of shared memory still guards the data.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _find_programs(self) -> PostgresPrograms:
        written_by = self._data / "PG_VERSION"
        major = int(written_by.read_text()) if written_by.exists() else None
        return find_postgres(self._account, self.home.path / "bin", major=major)

    async def _make_cluster(self) -> None:
        """Makes the cluster aside and renames it, so that a start cut off leaves nothing half made."""
        draft = self._folder / "init"
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        initdb = Child(
            [
                *(self._programs.initdb, "--pgdata", draft, "--username", _NAME, "--auth=scram-sha-256"),
                *("--pwfile", self._folder / "password", "--locale=C", "--encoding=UTF8"),
                *([] if self._durable else ["--no-sync"]),
            ],
            account=self._account,
            folder=self._folder,
            end_signal=signal.SIGKILL,
        )
        try:
            await initdb.wait(_INITDB_LIMIT)
        finally:
            await initdb.kill()
        if initdb.exit_code != 0:
            raise EmbeddedError(f"The database could not be made: {initdb.last_words()} (see {initdb.log})")
        draft.rename(self._data)

    def _command(self) -> list[str | Path]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **(_SAFE if self._durable else _FAST),
        }
        return [
            self._programs.postgres,
            *("-D", self._data),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        ]

    async def is_answering(self) -> bool:
        try:
            connection = await asyncpg.connect(self.uri, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    async def _finish_start(self) -> bool:
        return await self.is_answering() or await self._make_database()

    async def _make_database(self) -> bool:
        """True when this call made the database; False when the server is not up yet."""
        try:
            connection = await asyncpg.connect(self._uri("postgres"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            await connection.execute(f"CREATE DATABASE {_NAME}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close()
        return True
