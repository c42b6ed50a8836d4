"""What goes wrong outside of Runwire ends a command with a plain sentence and code 1."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from runwire.cli.errors import DemoError, StackError
from runwire.core.settings import told
from runwire.embedded import EmbeddedError


@contextmanager
def told_plainly() -> Iterator[None]:
    """Exits with the text of an expected failure, and with nothing else."""
    try:
        yield
    except (EmbeddedError, StackError, DemoError) as error:
        sys.exit(str(error))
    except ValidationError as error:
        sys.exit(told(error))
