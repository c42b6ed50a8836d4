"""Checks of requests: they collect every violation, so that the caller learns of all wrong fields at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from runwire.api.type.v1.json_pb2 import Json
from runwire.api.type.v1.run_pb2 import CheckpointRef
from runwire.core import jsons, paging
from runwire.core.errors import InvalidRequest, Violation

ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
METADATA_LIMIT = 64 * 1024
NAMESPACE_LIMIT = 4 * 1024
PAYLOAD_LIMIT = 16 * 1024 * 1024


class Checks:
    """Collects the violations of one request. `inside` prefixes field names, for nested requests."""

    def __init__(self, inside: str = "") -> None:
        self.violations: list[Violation] = []
        self._inside = f"{inside}." if inside else ""

    def add(self, field: str, reason: str, description: str) -> None:
        """Notes a violation; `reason` is an ErrorReason without its prefix."""
        self.violations.append(Violation(self._inside + field, reason, description))

    def done(self) -> None:
        """Raises InvalidRequest if anything was wrong."""
        if self.violations:
            raise InvalidRequest(self.violations)

    def require(self, field: str, value: object) -> bool:
        """Whether a required field is there."""
        if value:
            return True
        self.add(field, "FIELD_REQUIRED", "is required")
        return False

    def identifier(self, field: str, value: str, *, required: bool = True) -> None:
        """An id: 1 to 128 characters of A-Z a-z 0-9 . _ : -"""
        if not value:
            if required:
                self.require(field, value)
        elif not ID.fullmatch(value):
            self.add(field, "FIELD_INVALID", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")

    def uuid(self, field: str, value: str, *, required: bool = True) -> UUID | None:
        """A UUID in its text form, or None where it is absent or wrong."""
        if not value:
            if required:
                self.require(field, value)
            return None
        try:
            parsed = UUID(value)
        except ValueError:
            parsed = None
        if parsed is None or str(parsed) != value.lower():
            self.add(field, "FIELD_INVALID", "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
            return None
        return parsed

    def checkpoint(self, field: str, ref: CheckpointRef, *, id_required: bool = False) -> None:
        """What names a checkpoint."""
        self.identifier(f"{field}.checkpoint_id", ref.checkpoint_id, required=id_required)
        self.text(f"{field}.checkpoint_ns", ref.checkpoint_ns, NAMESPACE_LIMIT)

    def text(self, field: str, value: str, limit: int) -> None:
        """A text of at most `limit` bytes, without U+0000."""
        if len(value) * 4 > limit and len(value.encode()) > limit:
            self.add(field, "PAYLOAD_TOO_LARGE", f"must be at most {limit} bytes")
        if "\0" in value:
            self.add(field, "FIELD_INVALID", "must not contain U+0000")

    def json(self, field: str, message: Message, *, limit: int = PAYLOAD_LIMIT, must_be_object: bool = False) -> Any:
        """The value of a Json field of `message`; None where it is absent or wrong."""
        if not message.HasField(field.rsplit(".", 1)[-1]):
            return None
        return self.json_text(field, getattr(message, field.rsplit(".", 1)[-1]), limit, must_be_object)

    def json_text(self, field: str, value: Json, limit: int = PAYLOAD_LIMIT, must_be_object: bool = False) -> Any:
        """The value of a Json; None where it is wrong."""
        if len(value.text) > limit or (len(value.text) * 4 > limit and len(value.text.encode()) > limit):
            self.add(field, "PAYLOAD_TOO_LARGE", f"must be at most {limit} bytes")
            return None
        try:
            parsed = jsons.parse(value.text)
        except jsons.InvalidJson as error:
            self.add(field, "INVALID_JSON", str(error))
            return None
        if must_be_object and not isinstance(parsed, dict):
            self.add(field, "INVALID_JSON", "must be a JSON object")
            return None
        return parsed

    def enum(self, field: str, kind: EnumTypeWrapper, value: int, *, unsupported: Collection[int] = ()) -> None:
        """A value of the enum that this server supports."""
        if value not in kind.values():
            self.add(field, "UNKNOWN_ENUM_VALUE", f"{value} is no value of {kind.DESCRIPTOR.name}")
        elif value in unsupported:
            self.unsupported(field, kind.Name(value))

    def unsupported(self, field: str, value: str = "") -> None:
        """A known field, or a value of it, that this server can't honour."""
        self.add(field, "FIELD_UNSUPPORTED", f"{value or 'this field'} is not supported by this server")

    def number(self, field: str, value: float, low: float, high: float) -> None:
        """A number within its limits."""
        if not low <= value <= high:
            self.add(field, "FIELD_OUT_OF_RANGE", f"must be {low} to {high}")

    def length(self, field: str, value: Sequence[object], low: int, high: int) -> None:
        """A list within its limits."""
        if not low <= len(value) <= high:
            self.add(field, "FIELD_OUT_OF_RANGE", f"must have {low} to {high} elements")

    def duration(self, field: str, value: Duration, low: timedelta, high: timedelta) -> timedelta | None:
        """A duration within its limits; None where it is not."""
        try:
            span = value.ToTimedelta()
        except (ValueError, OverflowError):
            span = None
        if span is None or not low <= span <= high:
            self.add(field, "FIELD_OUT_OF_RANGE", f"must be {low} to {high}")
            return None
        return span

    def page(
        self,
        request: Any,
        *,
        default: int = paging.DEFAULT_PAGE_SIZE,
        largest: int = paging.MAX_PAGE_SIZE,
        key: type = object,
    ) -> tuple[int, paging.Place | None]:
        """The page's size and the place it begins after, of a request with page_size and page_token.

        `key` is the type of what the list is sorted by: a forged token may hold another.
        """
        if not 0 <= request.page_size <= largest:
            self.add("page_size", "FIELD_OUT_OF_RANGE", f"must be 0 to {largest}")
        return request.page_size or default, self._place(request, key) if request.page_token else None

    def _place(self, request: Any, key: type) -> paging.Place | None:
        try:
            place = paging.decode(request.page_token, paging.binding(request))
            if isinstance(place.key, key):
                return place
            self.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
        except paging.InvalidPageToken:
            self.add("page_token", "INVALID_PAGE_TOKEN", "is not a token of this server")
        except paging.PageTokenMismatch:
            self.add("page_token", "PAGE_TOKEN_MISMATCH", "belongs to a list with other filters or another order")
        return None
