"""What the files of access have in common: one JSON object a line, each with a tenant, a subject and scopes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from runwire.core.identity import Identity
from runwire.core.scopes import is_grant

TENANT = r"[A-Za-z0-9._:-]{1,128}"
"""What a tenant's name may be: as ids, so that it fits wherever they do."""


def _is_grant(text: str) -> str:
    if not is_grant(text):
        raise ValueError("not a scope")
    return text


class Grant(BaseModel):
    """Whoever shows the credentials of this line is this caller."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tenant: str = Field(pattern=f"^{TENANT}$")
    subject: str = Field(min_length=1, max_length=256)
    scopes: tuple[Annotated[str, AfterValidator(_is_grant)], ...] = Field(min_length=1)

    def identity(self) -> Identity:
        """The caller."""
        return Identity(self.tenant, self.subject, frozenset(self.scopes))


G = TypeVar("G", bound=Grant)


def read_lines(kind: type[G], raw: bytes) -> Sequence[G]:
    """The grants of a file. Empty lines and lines that begin with # are left out. ValueError names the line."""
    found = []
    for number, line in enumerate(raw.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            found.append(kind.model_validate_json(line))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'it'}: {e['msg']}" for e in error.errors())
            raise ValueError(f"line {number} is not valid ({wrong})") from None
    return found
