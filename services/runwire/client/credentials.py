"""Who the client says it is: a key or a token with each call, and certificates for TLS."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import grpc

Token: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or what gives one for each call; asynchronous with the asyncio client alone."""

File: TypeAlias = str | PathLike[str]


def tls(*, ca: File | None = None, certificate: File | None = None, key: File | None = None) -> grpc.ChannelCredentials:
    """Credentials for `connect`, from PEM files.

    `ca` is who is trusted to name the servers (default: the well-known authorities); `certificate`, with the chain if
    there is one, and `key` are the client's own, for servers that ask for them.
    """
    if (certificate is None) is not (key is None):
        raise ValueError("certificate and key go together")
    return grpc.ssl_channel_credentials(
        *(None if file is None else Path(file).read_bytes() for file in (ca, key, certificate))
    )


def token_of(api_key: str | None, token: Token | None) -> Token | None:
    """What goes with each call. ValueError when both are given, or one that can't be sent."""
    if api_key is not None and token is not None:
        raise ValueError("api_key and token exclude each other")
    given = token if api_key is None else api_key
    return _sendable(given) if isinstance(given, str) else given


async def headers(token: Token | None) -> tuple[tuple[str, str], ...]:
    """The metadata that carries the token."""
    if token is None:
        return ()
    if not isinstance(token, str):
        made = token()
        token = _sendable(await made if inspect.isawaitable(made) else made)
    return (("authorization", f"Bearer {token}"),)


def check_plaintext(addresses: Iterable[str], *, allowed: bool) -> None:
    """A key or token that is sent in plain text beyond this machine can be read on its way. Raises ValueError."""
    for address in addresses:
        if not allowed and not _is_here(address):
            raise ValueError(
                f"a key or token would go to {address} in plain text: give credentials (see tls), "
                "or allow_plaintext=True where something else encrypts"
            )


def _is_here(address: str) -> bool:
    host = address.removeprefix("dns:").lstrip("/").rpartition(":")[0].strip("[]")
    if address.startswith(("unix:", "unix-abstract:")) or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _sendable(token: str) -> str:
    """gRPC would refuse it as well, and show it."""
    if not token or not all("!" <= character <= "~" for character in token):
        raise ValueError("an API key or a token is of visible ASCII characters")
    return token
