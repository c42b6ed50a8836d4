"""Throw-away certificates."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import trustme

from runwire.client import tls


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority with its certificate in a file, and what it issued beside it."""

    folder: Path
    ca: trustme.CA

    @classmethod
    def new(cls, folder: Path) -> Authority:
        """A new one, which nobody trusts yet."""
        folder.mkdir(parents=True, exist_ok=True)
        made = cls(folder, trustme.CA())
        made.ca.cert_pem.write_to_path(str(made.file))
        return made

    @property
    def file(self) -> Path:
        """Its certificate."""
        return self.folder / "ca.pem"

    def issue(
        self, name: str, *names: str, common_name: str | None = None, until: datetime | None = None
    ) -> tuple[Path, Path]:
        """The files of a certificate for these alternative names, and of its key."""
        issued = self.ca.issue_cert(*names, common_name=common_name, not_after=until)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key

    def credentials(self, certificate: tuple[Path, Path] | None = None) -> grpc.ChannelCredentials:
        """For a client that trusts it, and shows a certificate."""
        own = {} if certificate is None else {"certificate": certificate[0], "key": certificate[1]}
        return tls(ca=self.file, **own)

    def server(self) -> dict[str, str]:
        """Settings of servers on this machine, with a new certificate."""
        certificate, key = self.issue("server", "localhost", "127.0.0.1")
        return {"tls_certificate": str(certificate), "tls_key": str(key)}


def server_context(authority: Authority) -> ssl.SSLContext:
    """For a server of another kind, named localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", "localhost"))
    return context


def lines(*objects: dict[str, Any]) -> str:
    """The content of a file with one JSON object a line."""
    return "".join(f"{json.dumps(each)}\n" for each in objects)
