"""Loads the statements of a module from the .sql file beside it.

A statement begins with `-- name: <name>`; the comment lines below it say what it is for and list its parameters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(module_file: str) -> Mapping[str, str]:
    """The statements in the .sql twin of `module_file` (pass `__file__`), by name."""
    text = Path(module_file).with_suffix(".sql").read_text("utf-8")
    _, *parts = _HEADER.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{module_file}: a statement's name occurs twice")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}
