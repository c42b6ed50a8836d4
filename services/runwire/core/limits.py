"""What one tenant may have at most, so that it can't take a server from the others."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runwire.core.access.grants import TENANT
from runwire.core.access.rereading import Reread
from runwire.core.settings import Settings

# What Postgres takes as an integer.
_MOST = 2**31 - 1
_MOST_BYTES = 2**53


class Limits(BaseModel):
    """The limits of one tenant. None: there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    open_runs: int | None = Field(default=None, ge=0, le=_MOST)
    open_streams: int | None = Field(default=None, ge=0, le=_MOST)
    requests_per_second: float | None = Field(default=None, ge=0, le=_MOST)
    bytes_per_second: int | None = Field(default=None, ge=0, le=_MOST_BYTES)


class _File(BaseModel):
    """RUNWIRE_LIMITS_FILE. 0 stands for no limit, so that a tenant can be given what others are not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: Limits = Limits()
    tenant: dict[Annotated[str, Field(pattern=f"^{TENANT}$")], Limits] = Field(default_factory=dict)

    def of(self, tenant: str) -> Limits:
        """A tenant's own limits where it has some, else those of all."""
        own = self.tenant.get(tenant, Limits()).model_dump(exclude_none=True)
        return Limits(**{name: value or None for name, value in {**self.default.model_dump(), **own}.items()})


_UNLIMITED = Limits()
# No tenant's name is empty.
_OTHERS = ""


@dataclass(slots=True)
class TenantLimits:
    """The limits of all tenants, as the file says at the moment."""

    _file: Reread[_File] | None = None
    _read: _File = field(default_factory=_File)
    _known: dict[str, Limits] = field(default_factory=dict)

    @classmethod
    def of_settings(cls, settings: Settings) -> TenantLimits:
        """Without a file nobody has a limit. AccessError when the file can't be used."""
        return cls(Reread(_parsed, Path(settings.limits_file)) if settings.limits_file else None)

    def of(self, tenant: str) -> Limits:
        """A tenant's limits."""
        if self._file is None:
            return _UNLIMITED
        if (now := self._file.value()) is not self._read:
            self._read, self._known = now, {name: now.of(name) for name in (_OTHERS, *now.tenant)}
        return self._known.get(tenant, self._known[_OTHERS])


NO_LIMITS = TenantLimits()
"""Nobody has a limit."""


def _parsed(content: bytes) -> _File:
    try:
        return _File.model_validate(tomllib.loads(content.decode()))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None
