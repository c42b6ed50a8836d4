"""An identity provider: it signs tokens and publishes its keys."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/"
AUDIENCE = "runwire"


class Issuer:
    """Keys by their ids, and tokens that they sign."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.answer: bytes | None = None
        """What is published in place of the keys."""
        self.status = 200
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def add(self, key_id: str, kind: str = "ES256") -> None:
        """A new key."""
        made: dict[str, Any] = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.keys[key_id] = (kind, made[kind]())

    def token(self, key_id: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good for a minute, unless the claims say otherwise; a claim of None is left out."""
        kind, key = self.keys[key_id]
        body = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "exp": int(time.time()) + 60}
        body |= {"tenant": "acme", "scope": "openid threads:read", **claims}
        kept = {name: value for name, value in body.items() if value is not None}
        return jwt.encode(kept, key, algorithm=kind, headers={"kid": key_id, **(header or {})})

    def public_pem(self, key_id: str) -> bytes:
        """A key's public half, as confused verifiers take for a shared secret."""
        pem: bytes = self.keys[key_id][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem

    def jwks(self) -> bytes:
        """The JWK set."""
        makers: dict[str, Any] = {"ES256": ECAlgorithm, "RS256": RSAAlgorithm, "EdDSA": OKPAlgorithm}
        keys = [
            {**makers[kind].to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}
            for key_id, (kind, key) in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    @asynccontextmanager
    async def published(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """The URL of the JWK set."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls) as server:
            port = server.sockets[0].getsockname()[1]
            yield f"{'https' if tls else 'http'}://localhost:{port}/jwks.json"

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.may_answer.wait()
        content = self.jwks() if self.answer is None else self.answer
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        writer.close()


def unsigned(claims: dict[str, Any], **header: Any) -> str:
    """A token with an empty signature."""
    parts = [json.dumps({"typ": "JWT", **header}).encode(), json.dumps(claims).encode()]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])
