"""Which addresses a webhook may be sent to: those of the public Internet, unless the server allows all.

What is judged is the address that a connection is made to. What a name resolved to before does not count.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host; the port goes along. Raises OSError."""

# Beyond what the standard library calls private, reserved and so on, some of it only in newer releases.
_REFUSED: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",
        "168.63.129.16/32",  # a cloud's metadata service, at an address that looks public
        "192.0.0.0/24",  # another one's
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
# The IPv4 Internet as seen from networks that have IPv6 alone.
_TRANSLATED = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public Internet."""
    given = _embedded(ip_address(address))
    if any(given in network for network in _REFUSED):
        return False
    special = given.is_multicast or given.is_reserved or given.is_unspecified or given.is_loopback
    return given.is_global and not (special or given.is_link_local or given.is_private)


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _TRANSLATED else address


def is_public_host(host: str) -> bool:
    """Whether a host may be public, as far as can be told without resolving its name."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return False
    literal = _literal(name)
    return literal is None or is_public(literal)


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        # The short and the numeric forms that resolvers take for an address, such as 127.1
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, the preferred one first. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))
