"""What claims before this one have done with a run's input: this one doesn't do it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asyncpg import Record
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.types import Command

_INTERRUPT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Applied:
    """How far they came with it, as the statement of this name tells.

    `answered`: a task has taken an answer of the Command's; `answered_ids`: the interrupts that were answered so.
    """

    moved: bool = False
    commanded: bool = False
    answered: bool = False
    answered_ids: frozenset[str] = frozenset()

    def left_of(self, whole: Command[Any]) -> Command[Any] | None:
        """What is still to be told of the run's Command, or None."""
        # Its update and its goto are on the checkpoint, where LangGraph finds them again.
        left = Command(resume=whole.resume) if self.commanded else whole
        if left.resume is not None:
            return replace(left, resume=self._left_of_answers(left.resume))
        return None if self.commanded else left

    def _left_of_answers(self, answers: Any) -> Any:
        if _is_by_ids(answers):
            return {key: value for key, value in answers.items() if key not in self.answered_ids}
        # With an empty mapping LangGraph goes on as with an answer, and tells none.
        return {} if self.answered else answers


def answered_in(serde: SerializerProtocol, rows: Iterable[Record]) -> tuple[bool, frozenset[str]]:
    """Whether a task has taken an answer, and which interrupts were answered. Raises UnreadableState.

    A task that was executed again has stored once more what others answered it, and may have taken nothing beyond.
    """
    took = [row for row in rows if len(_values(serde, row, "given")) > len(_values(serde, row, "before"))]
    asked = [interrupt for row in took for interrupt in _values(serde, row, "asked")]
    return bool(took), frozenset(interrupt.id for interrupt in asked)


def _is_by_ids(answers: Any) -> bool:
    """Whether LangGraph takes them for answers by the interrupts' ids, and not for the answer to the only one."""
    return isinstance(answers, dict) and all(_INTERRUPT_ID.fullmatch(key) for key in answers)


def _values(serde: SerializerProtocol, row: Record, name: str) -> Sequence[Any]:
    if row[f"{name}_type"] is None:
        return ()
    value = serde.loads_typed((row[f"{name}_type"], row[name]))
    return value if isinstance(value, list | tuple) else (value,)
