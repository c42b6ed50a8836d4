"""A process's life: it is wired once, runs until SIGTERM or SIGINT, and is taken down in reverse order."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
from pydantic import ValidationError

from runwire.core import logs
from runwire.core.access import AccessError
from runwire.core.postgres import SchemaError
from runwire.core.settings import Settings, told

Main = Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]]


def runner() -> asyncio.Runner:
    """What runs a process's main coroutine: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


def run(process: str, main: Main) -> None:
    """Runs `main(settings, stop)` to its end; `stop` is set by the first SIGTERM or SIGINT.

    Exits with 1 and one plain sentence when the settings can't be used, the database can't be had at the start, or its
    schema is older than this version.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(told(error))
    logs.configure(settings.log_level, process)
    if not settings.database_uri or not settings.redis_uri:
        sys.exit("Set DATABASE_URI and REDIS_URI, or run `runwire up`, which starts a Postgres and a Redis of its own.")
    try:
        with runner() as loop:
            loop.run(_until_signalled(main, settings))
    except AccessError as error:
        sys.exit(str(error))
    except (OSError, SchemaError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"{process} can't work with the database in DATABASE_URI: {error}")


async def _until_signalled(main: Main, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    await main(settings, stop)
