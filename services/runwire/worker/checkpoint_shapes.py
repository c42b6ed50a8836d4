"""The form that a stored checkpoint must have before langgraph gets to see it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, NotRequired, TypeAlias

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict


class UnreadableState(Exception):
    """What is stored of a thread's state can't be read: it is damaged, or no checkpoint at all. Says what is wrong."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The stored state can't be read: {what}.")


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _number(text: str) -> str:
    int(text.partition(".")[0])
    return text


_TextVersions: TypeAlias = dict[str, Annotated[str, AfterValidator(_number)]]
_Versions: TypeAlias = _TextVersions | dict[str, int | float]


class _Checkpoint(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]

    v: int
    id: str
    ts: Annotated[str, AfterValidator(_moment)]
    channel_values: NotRequired[dict[str, Any] | None]
    # langgraph compares them, and versions of two kinds don't compare.
    channel_versions: _Versions
    versions_seen: dict[str, _Versions]
    updated_channels: NotRequired[list[str] | None]


class _Metadata(TypedDict):
    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]

    source: NotRequired[str]
    step: NotRequired[int]
    parents: NotRequired[dict[str, str]]
    run_id: NotRequired[str]
    counters_since_delta_snapshot: NotRequired[dict[str, Any]]


_CHECKPOINT = TypeAdapter(_Checkpoint)
_METADATA = TypeAdapter(_Metadata)


def parse_checkpoint(text: str) -> dict[str, Any]:
    """A row's `checkpoint`. Raises UnreadableState."""
    return _parsed("checkpoint", text, _CHECKPOINT)


def parse_metadata(text: str) -> dict[str, Any]:
    """A row's `metadata`. Raises UnreadableState."""
    return _parsed("metadata", text, _METADATA)


def parse_value(text: str) -> Any:
    """A value inside a row's `checkpoint`. Raises UnreadableState."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableState("a value inside a checkpoint is too large or too deep") from error


def _parsed(name: str, text: str, form: TypeAdapter[Any]) -> dict[str, Any]:
    found = parse_value(text)
    try:
        form.validate_python(found)
    except ValidationError as error:
        place = ".".join(str(step) for step in error.errors(include_url=False, include_input=False)[0]["loc"][:1])
        raise UnreadableState(f"the {name} of a checkpoint has a wrong {place or 'form'}") from error
    checked: dict[str, Any] = found
    return checked
