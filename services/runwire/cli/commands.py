"""The commands and their options."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from runwire.cli import keys

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Runs LangGraph graphs as durable, streamable, cancellable runs behind typed gRPC services.",
)

app.add_typer(keys.app, name="keys")

StateDir = Annotated[
    Path,
    typer.Option(envvar="RUNWIRE_STATE_DIR", help="Folder of the embedded servers' data and of all logs."),
]


@app.command()
def resource() -> None:
    """Run the Resource process: assistants, threads and store items."""
    _become("resource")


@app.command()
def dispatch() -> None:
    """Run the Dispatch process: runs, crons, thread state."""
    _become("dispatch")


@app.command()
def stream() -> None:
    """Run the Stream process: the events of runs, and the wait for their ends."""
    _become("stream")


@app.command()
def worker() -> None:
    """Run a worker, which executes the graphs of RUNWIRE_GRAPHS (default: langgraph.json)."""
    _become("worker")


@app.command()
def migrate() -> None:
    """Bring the schema of DATABASE_URI up to date."""
    import asyncio

    from runwire.cli.failures import told_plainly
    from runwire.cli.home import bring_schema_up
    from runwire.core.settings import Settings

    with told_plainly():
        database_uri = Settings().database_uri
        if not database_uri:
            sys.exit("Set DATABASE_URI to the database to migrate.")
        asyncio.run(bring_schema_up(database_uri))


@app.command()
def up(state_dir: StateDir = Path(".runwire")) -> None:
    """Start everything and keep it up until Ctrl-C: Postgres, Redis, Resource, Dispatch, Stream and a worker.

    DATABASE_URI and REDIS_URI replace the embedded servers.
    """
    from runwire.cli import stopping
    from runwire.cli.failures import told_plainly
    from runwire.cli.up import up as keep_up

    with told_plainly():
        raise SystemExit(stopping.run(keep_up(state_dir), stopped=0))


@app.command()
def demo(
    file: Annotated[Path | None, typer.Argument(help="A text; without it, a document of the repository.")] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask a person for the approval.")] = False,
    state_dir: StateDir = Path(".runwire"),
) -> None:
    """Run the document example on FILE, from start to end, on a stack of its own, and show its events."""
    from runwire.cli import stopping
    from runwire.cli.demo import demo as show
    from runwire.cli.failures import told_plainly

    with told_plainly():
        raise SystemExit(stopping.run(show(file, state_dir / "demo", ask=ask)))


def _become(part: str) -> NoReturn:
    os.execv(sys.executable, [sys.executable, "-m", f"runwire.{part}"])
