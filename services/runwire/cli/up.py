"""`runwire up`: everything on this machine, until it is stopped."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from runwire import embedded
from runwire.cli import BEGAN
from runwire.cli.errors import StackError
from runwire.cli.home import served
from runwire.cli.keeping import kept_up
from runwire.cli.stack import Stack, running
from runwire.core.settings import Settings

_EXAMPLES = Path("examples/langgraph.json")


async def up(state_dir: Path) -> int:
    """Serves until it is cancelled."""
    console = Console(highlight=False)
    given = _with_graphs(Settings())
    console.print("Starting …")
    async with (
        served(given, state_dir) as settings,
        running(settings, log_dir=state_dir / "logs") as stack,
        kept_up(stack, lambda text: console.print(text, markup=False)),
    ):
        console.print(_endpoints(stack, settings, given, state_dir))
        console.print(f"Ready after {time.monotonic() - BEGAN:.1f} s. Ctrl-C ends it.")
        try:
            await asyncio.Event().wait()
        finally:
            console.print("Ending …")
    return 0


def _with_graphs(settings: Settings) -> Settings:
    """The settings with a langgraph.json that exists: in a clone of the repository without one, the examples'."""
    if settings.graphs.is_file():
        return settings
    if "graphs" not in settings.model_fields_set and _EXAMPLES.is_file():
        return settings.model_copy(update={"graphs": _EXAMPLES})
    raise StackError(f"There is no {settings.graphs}: set RUNWIRE_GRAPHS to the langgraph.json of your project.")


def _endpoints(stack: Stack, settings: Settings, given: Settings, state_dir: Path) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for process in sorted(stack.processes, key=lambda process: process.address):
        table.add_row(process.name, process.address, f"log: {process.log}")
    for word, server, uri in (
        ("postgres", embedded.Postgres, given.database_uri),
        ("redis", embedded.Redis, given.redis_uri),
    ):
        if uri:
            table.add_row(word, "as given", "")
        else:
            table.add_row(word, f"127.0.0.1:{server(state_dir).port}", f"data: {state_dir}")
    table.add_row("graphs", str(settings.graphs), "")
    return table
