"""Items that outlive threads: how they are named, found and removed, be it by a graph or by a client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from runwire.core.sql import load

SQL = load(__file__)


def namespace_text(namespace: Iterable[str]) -> str:
    """A namespace as the prefix column has it."""
    return ".".join(namespace)


def prefix_pattern(labels: Sequence[str]) -> str:
    """A regular expression over the prefix column: it begins with these labels. `*` is any one label."""
    return rf"^{_labels(labels)}(\.|$)"


def suffix_pattern(labels: Sequence[str]) -> str:
    """A regular expression over the prefix column: it ends with these labels. `*` is any one label."""
    return rf"(^|\.){_labels(labels)}$"


def _labels(labels: Sequence[str]) -> str:
    return r"\.".join("[^.]+" if label == "*" else re.escape(label) for label in labels)
