"""`runwire keys`: API keys for those who call."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="API keys for those who call.")

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if found is None:
        raise typer.BadParameter("a number and m, h or d, for example 90d")
    return int(found[1]) * _UNITS[found[2]]


@app.command()
def new(
    file: Annotated[Path, typer.Option(envvar="RUNWIRE_API_KEYS_FILE", help="The file that the servers read.")],
    tenant: Annotated[str, typer.Option(help="Whose rows the key may see.")],
    subject: Annotated[str, typer.Option(help="Who has the key, for logs.")] = "api key",
    scope: Annotated[list[str] | None, typer.Option(help="runs:read, runs:*, *:read …; several times.")] = None,
    expires_in: Annotated[timedelta | None, typer.Option(parser=_span, metavar="90d", help="Default: never.")] = None,
) -> None:
    """Make a key, add its hash to the file, and print the key, which can't be had again. To end it, remove its line."""
    from pydantic import ValidationError

    from runwire.core.access.api_keys import add_line, new_key

    expires = None if expires_in is None else datetime.now(UTC).replace(microsecond=0) + expires_in
    try:
        key, line = new_key(tenant, subject, scope or ["*"], expires)
        add_line(file, line)
    except ValidationError as error:
        sys.exit("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors()))
    except OSError as error:
        sys.exit(f"{file} can't be written: {error.strerror}.")
    print(key)
    until = f"until {expires.isoformat()}" if expires else "for good"
    print(f"Key {line.id} of {subject} in tenant {tenant} is good {until}.", file=sys.stderr)
