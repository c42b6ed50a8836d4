"""`runwire demo`: a document through the document example, from an idle machine to the report."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from runwire.cli import BEGAN
from runwire.cli.documents import example_graphs, read_document
from runwire.cli.errors import DemoError
from runwire.cli.home import served
from runwire.cli.keeping import kept_up
from runwire.cli.stack import Stack, running
from runwire.core.settings import Settings
from runwire.embedded.home import Lock

_TOKEN_SECONDS = "0.02"


async def demo(file: Path | None, state_dir: Path, *, ask: bool) -> int:
    """0 when the last run ended in SUCCESS; otherwise DemoError says how it ended."""
    console = Console(highlight=False)
    path, text = read_document(file)
    if ask and not sys.stdin.isatty():
        raise DemoError("There is no terminal to ask at: leave out --ask.")
    os.environ.setdefault("RUNWIRE_EXAMPLE_TOKEN_SECONDS", _TOKEN_SECONDS)
    console.print(Text(f"Runwire reads {path} ({len(text):,} characters) with the document example."))
    async with _stack(_settings(), state_dir, console) as stack:
        # Not earlier: while the processes start there is time for it.
        from runwire.cli.session import Session

        return await Session(stack, console, ask=ask).show(text)


def _settings() -> Settings:
    """One executor is enough for one run, and free ports let the demo run beside other stacks."""
    ports = dict.fromkeys(("resource_port", "dispatch_port", "stream_port", "worker_port"), 0)
    return Settings().model_copy(
        update={**ports, "graphs": example_graphs(), "executors": 1, "drain_timeout": timedelta(seconds=1)}
    )


@asynccontextmanager
async def _stack(settings: Settings, state_dir: Path, console: Console) -> AsyncIterator[Stack]:
    """Everything, ready, and the steps on the way said."""
    async with served(settings, state_dir) as complete:
        _say(console, "Postgres and Redis are ready")
        with _alone(state_dir):
            async with (
                running(complete, log_dir=state_dir / "logs") as stack,
                kept_up(stack, lambda text: console.print(Text(text))),
            ):
                _say(console, "Resource, Dispatch, Stream and a worker are ready")
                yield stack


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Refuses a second demo on the same servers, which would lose them in the middle of its work."""
    state_dir.mkdir(parents=True, exist_ok=True)
    lock = Lock(state_dir / "demo.lock")
    if not lock.take():
        raise DemoError(f"Another demo runs in {state_dir}: wait for its end, or name another folder with --state-dir.")
    try:
        yield
    finally:
        lock.give_back()


def _say(console: Console, what: str) -> None:
    console.print(Text(f"{what} after {time.monotonic() - BEGAN:.1f} s."))
