"""TLS to Postgres and Redis is asked for by their URIs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

import runwire.resource.__main__ as resource
from runwire.client import connect
from runwire.core.bus import Bus
from runwire.core.postgres import answers
from runwire.core.postgres import connect as connect_postgres
from runwire.core.settings import Settings
from tests.access.authorities import Authority, server_context
from tests.access.tls_proxy import tls_proxy


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.new(tmp_path / "authority")


def through(uri: str, port: int, scheme: str, query: str) -> str:
    """The URI of the same server by way of a port with TLS."""
    parts = urlsplit(uri)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(scheme=scheme, netloc=f"{user}@localhost:{port}", query=query).geturl()


async def test_postgres_is_reached_by_tls_when_its_uri_says_sslmode(settings: Settings, authority: Authority) -> None:
    port = urlsplit(settings.database_uri).port or 0
    async with tls_proxy(port, server_context(authority), postgres=True) as proxy:
        trusted = f"sslmode=verify-full&sslrootcert={authority.file}"
        uri = through(settings.database_uri, proxy, "postgresql", trusted)
        async with (
            resource.running(settings.model_copy(update={"database_uri": uri})) as served,
            connect(f"127.0.0.1:{served}") as client,
        ):
            assert await client.threads.count() == 0


async def test_a_postgres_without_trust_is_not_talked_to(
    settings: Settings, authority: Authority, tmp_path: Path
) -> None:
    port = urlsplit(settings.database_uri).port or 0
    stranger = Authority.new(tmp_path / "stranger")
    async with tls_proxy(port, server_context(stranger), postgres=True) as proxy:
        trusted = f"sslmode=verify-full&sslrootcert={authority.file}"
        uri = through(settings.database_uri, proxy, "postgresql", trusted)
        with pytest.raises((OSError, asyncpg.PostgresError)):
            async with connect_postgres(settings.model_copy(update={"database_uri": uri}), "test") as pool:
                await answers(pool)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_redis_is_reached_by_tls_when_its_uri_says_rediss(
    settings: Settings, authority: Authority, tmp_path: Path, is_trusted: bool
) -> None:
    port = urlsplit(settings.redis_uri).port or 0
    server = authority if is_trusted else Authority.new(tmp_path / "stranger")
    async with tls_proxy(port, server_context(server)) as proxy:
        uri = through(settings.redis_uri, proxy, "rediss", f"ssl_ca_certs={authority.file}")
        encrypted = settings.model_copy(update={"redis_uri": uri})
        async with Bus(encrypted) as bus, bus.subscriptions() as subscriptions:
            heard: asyncio.Queue[bytes | None] = asyncio.Queue()
            channel = bus.keys.done(uuid4())
            async with subscriptions.listen(channel, heard.put_nowait) as is_acknowledged:
                assert is_acknowledged is is_trusted
                assert await bus.publish([(channel, b"message")]) is is_trusted
                if is_trusted:
                    async with asyncio.timeout(10):
                        while await heard.get() != b"message":
                            pass


def test_settings_show_no_passwords() -> None:
    settings = Settings(
        database_uri="postgresql://me:SECRET@localhost/x",
        redis_uri="redis://:SECRET@localhost",
        webhook_secret="whsec_SECRETSECRETSECRETSECRETSECRETSE",
    )
    assert "SECRET" not in repr(settings)
    assert "SECRET" not in str(settings)
