"""What goes wrong outside of Runwire ends a command with a plain sentence and code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from runwire.cli.errors import DemoError, StackError
from runwire.embedded import EmbeddedError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Exits with the text of an expected failure, and with nothing else."""
    try:
        yield
    except (EmbeddedError, StackError, DemoError) as error:
        sys.exit(str(error))
    except ValidationError as error:
        sys.exit("\n".join(_sentence(str(e["loc"][0]) if e["loc"] else "", e["msg"]) for e in error.errors()))


def _sentence(field: str, message: str) -> str:
    plain = message.removeprefix("Value error, ")
    return f"RUNWIRE_{field.upper().removeprefix('RUNWIRE_')}: {plain}." if field else f"{plain}."
