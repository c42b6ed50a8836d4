"""What Commands have written to a checkpoint, as LangGraph is to see it.

It stays there when their runs get no further, and LangGraph takes all of it for one step's, in which most channels take
one value: two could neither be read nor gone on from. So the last one is shown. The others keep their rows, since a
rollback of its run makes the one before it the last again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langgraph.channels import BinaryOperatorAggregate, DeltaChannel, LastValue
from langgraph.channels.binop import _get_overwrite
from langgraph.checkpoint.base import PendingWrite
from langgraph.pregel._io import map_command
from langgraph.types import Command

COMMAND_TASK = "00000000-0000-0000-0000-000000000000"
"""A task that is none: what a Command brings is stored as its writes."""

# LangGraph passes over this channel. Before what a Command adds it stores what it has read once more, by position, so
# that a write which is not shown has to keep its place.
_NOTHING = (COMMAND_TASK, "__no_writes__", None)


def replaced_by(command: Command[Any], channels: Mapping[str, Any]) -> set[str]:
    """The channels where it takes the place of what other Commands wrote."""
    return {name for _, name, value in map_command(command) if _replaces(channels.get(name), value)}


def without_replaced(
    writes: Sequence[PendingWrite], channels: Mapping[str, Any], replaced: Iterable[str]
) -> list[PendingWrite]:
    """The writes of a checkpoint, without those of Commands that a later one replaces, or one to come: `replaced`."""
    gone = set(replaced)
    shown: list[PendingWrite] = []
    for write in reversed(writes):
        task_id, name, value = write
        if task_id == COMMAND_TASK and name in gone:
            write = _NOTHING
        elif task_id == COMMAND_TASK and _replaces(channels.get(name), value):
            gone.add(name)
        shown.append(write)
    return shown[::-1]


def _replaces(channel: Any, value: Any) -> bool:
    if isinstance(channel, BinaryOperatorAggregate | DeltaChannel):
        return _get_overwrite(value)[0]
    # Ephemeral and untracked values have a guard: whether they take one value a step.
    return isinstance(channel, LastValue) or getattr(channel, "guard", False)
