"""The three services with API keys, and calls with whatever credentials."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from runwire.core.access.api_keys import add_line, new_key
from runwire.core.scopes import ACTIONS, AREAS
from runwire.embedded import Servers
from tests.contract.rpcs import Rpc
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.refused import Refused, refusal

GARBAGE = b"\xff\xff\xff\xff"
"""No protobuf message: whoever parses it fails."""

SCOPES = sorted({f"{area}:{action}" for area in AREAS.values() for action in ACTIONS})

_CALL_SECONDS = 10.0

Metadata = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Guarded:
    """Services that ask for keys. `keys` has one for each grant, `file` holds their hashes."""

    addresses: Mapping[str, str]
    keys: Mapping[str, str]
    file: Path

    async def refused(self, rpc: Rpc, metadata: Metadata = (), request: bytes = GARBAGE) -> Refused | None:
        """How a call of bytes is refused; None when it is not."""
        async with grpc.aio.insecure_channel(self.addresses[rpc.process]) as channel:
            return await refused_on(channel, rpc, metadata, request)


async def refused_on(
    channel: grpc.aio.Channel, rpc: Rpc, metadata: Metadata = (), request: bytes = GARBAGE
) -> Refused | None:
    """The same on any channel."""
    try:
        if rpc.method.server_streaming:
            call = bytes_call(channel.unary_stream, rpc.path)(request, metadata=metadata, timeout=_CALL_SECONDS)
            async for _ in call:
                return None
        else:
            await bytes_call(channel.unary_unary, rpc.path)(request, metadata=metadata, timeout=_CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    return None


def bytes_call(kind: Any, path: str) -> Any:
    """A method whose messages are left as bytes."""
    return kind(path)


def bearer(token: str) -> Metadata:
    """The metadata of a call with a key or a token."""
    return [("authorization", f"Bearer {token}")]


def keys_file(file: Path, grants: Mapping[str, Sequence[str]], tenant: str = "acme") -> dict[str, str]:
    """A key for each name, with its scopes, in a file."""
    keys = {}
    for name, scopes in grants.items():
        keys[name], line = new_key(tenant, f"test {name}", scopes, None)
        add_line(file, line)
    return keys


@pytest.fixture(scope="module")
async def guarded(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """Resource, Dispatch and Stream on a database of their own. No worker."""
    file = tmp_path_factory.mktemp("access") / "keys.jsonl"
    grants = {"*": ["*"], **{scope: [scope] for scope in SCOPES}}
    grants |= {f"all but {scope}": [other for other in SCOPES if other != scope] for scope in SCOPES}
    keys = keys_file(file, grants)
    async with fresh_database(servers) as uri:
        settings = system_settings(uri, servers.redis_uri, api_keys_file=str(file))
        async with serving(settings) as platform:
            yield Guarded(platform.addresses, keys, file)
