"""Callers by the client certificate that their connection was made with (mTLS)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pydantic import model_validator

from runwire.core.access.grants import Grant, read_lines
from runwire.core.access.rereading import Reread
from runwire.core.identity import Identity

Name = tuple[str, str]
"""The kind of a name, and the name."""

_KINDS = {"uri": "peer_uri", "dns": "peer_dns", "email": "peer_email", "cn": "x509_common_name"}


class CertificateLine(Grant):
    """Who has a certificate with this name: one alternative name (URI, DNS, e-mail), or the common name."""

    uri: str | None = None
    dns: str | None = None
    email: str | None = None
    cn: str | None = None

    @model_validator(mode="after")
    def _has_one_name(self) -> CertificateLine:
        if len(self.names) != 1:
            raise ValueError("exactly one of uri, dns, email and cn is needed")
        return self

    @property
    def names(self) -> list[Name]:
        """The names given, which is one."""
        return [(kind, name) for kind in _KINDS if (name := getattr(self, kind))]


class Certificates:
    """The lines of a file, which is read again when it changes."""

    def __init__(self, path: Path) -> None:
        """AccessError when the file can't be used."""
        self._file = Reread(_by_name, path)

    def identity(self, properties: Mapping[str, Iterable[bytes]]) -> Identity | None:
        """Whose certificate it is, by what gRPC tells of the connection (`auth_context`). None: nobody's.

        A certificate that has expired is nobody's, and one whose names are of different callers.
        """
        # TLS has judged the dates, but that was long ago: connections stay, and a client may resume an old session.
        if not any(_end(pem) > datetime.now(UTC) for pem in properties.get("x509_pem_cert", ())):
            return None
        lines = self._file.value()
        names = [
            (kind, value.decode("utf-8", "replace"))
            for kind, key in _KINDS.items()
            for value in properties.get(key, ())
        ]
        found = {lines[name].identity() for name in names if name in lines}
        return found.pop() if len(found) == 1 else None


@lru_cache(maxsize=1024)
def _end(pem: bytes) -> datetime:
    # Not earlier: only certificates need it, and the import costs a tenth of a start.
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem).not_valid_after_utc


def _by_name(raw: bytes) -> Mapping[Name, CertificateLine]:
    lines = read_lines(CertificateLine, raw)
    found = {line.names[0]: line for line in lines}
    if len(found) < len(lines):
        raise ValueError("two lines have the same name")
    return found
