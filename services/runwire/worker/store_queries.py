"""The arguments of store statements: filters and namespace patterns, as Postgres takes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langgraph.store.base import MatchCondition

from runwire.core.jsons import dumps
from runwire.core.store_items import prefix_pattern, suffix_pattern

_OPERATORS = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte"})
_CONTAINS = "$contains"


def conditions(filter: Mapping[str, Any] | None) -> tuple[list[str], list[str], list[str]]:
    """A filter as keys, operators and JSON operands.

    A plain value asks for equality, a mapping of operators for all of them, any other mapping for a value
    that contains it. Raises ValueError for an unknown operator.
    """
    found = [
        (key, operator, dumps(operand))
        for key, wanted in (filter or {}).items()
        for operator, operand in _operations(wanted)
    ]
    return [key for key, _, _ in found], [name for _, name, _ in found], [operand for _, _, operand in found]


def _operations(wanted: Any) -> list[tuple[str, Any]]:
    if not isinstance(wanted, Mapping):
        return [("$eq", wanted)]
    if not any(isinstance(key, str) and key.startswith("$") for key in wanted):
        return [(_CONTAINS, wanted)]
    if unknown := sorted(str(key) for key in wanted if key not in _OPERATORS):
        known = ", ".join(sorted(_OPERATORS))
        raise ValueError(f"unknown filter operator {', '.join(unknown)}: one of {known}")
    return list(wanted.items())


def namespace_patterns(matches: Iterable[MatchCondition]) -> list[str]:
    """Regular expressions over the prefix column; `*` stands for exactly one label.

    An empty path asks for nothing. Raises ValueError for another kind of match than prefix and suffix.
    """
    return [_pattern(match) for match in matches if match.path]


def _pattern(match: MatchCondition) -> str:
    if match.match_type == "prefix":
        return prefix_pattern(match.path)
    if match.match_type == "suffix":
        return suffix_pattern(match.path)
    raise ValueError(f"unknown namespace match {match.match_type!r}: prefix or suffix")
