"""The small commands and what they say when something is missing."""

from __future__ import annotations

import asyncpg
import pytest

from runwire.embedded import Servers
from tests.cli.conftest import Start


async def test_migrate_makes_the_schema(start: Start, servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database_uri)
    try:
        await connection.execute("CREATE DATABASE runwire_cli_migrate")
        uri = servers.database_uri.replace("/runwire?", "/runwire_cli_migrate?")
        assert await start("migrate", DATABASE_URI=uri).end() == 0
        migrated = await asyncpg.connect(uri)
        assert await migrated.fetchval("SELECT count(*) FROM runs") == 0
        await migrated.close()
    finally:
        await connection.execute("DROP DATABASE runwire_cli_migrate WITH (FORCE)")
        await connection.close()


@pytest.mark.parametrize("command", ["migrate", "up"])
async def test_a_schema_that_this_version_does_not_know_is_refused_in_one_line(
    start: Start, servers: Servers, database_uri: str, command: str
) -> None:
    connection = await asyncpg.connect(database_uri)
    await connection.execute("UPDATE migrations SET to_revision = 'of_another_version'")
    await connection.close()

    refused = start(command, DATABASE_URI=database_uri, REDIS_URI=servers.redis_uri)

    assert await refused.end() == 1
    assert 'it is at revision "of_another_version", which this version of Runwire does not know; use' in refused.output
    assert len(refused.output.removeprefix("Starting …\n").splitlines()) == 1


@pytest.mark.parametrize("part", ["resource", "dispatch", "stream", "worker"])
async def test_a_part_does_not_start_on_an_older_schema(
    start: Start, servers: Servers, database_uri: str, part: str
) -> None:
    connection = await asyncpg.connect(database_uri)
    await connection.execute("UPDATE migrations SET to_revision = 'runs'")
    await connection.close()

    refused = start(part, DATABASE_URI=database_uri, REDIS_URI=servers.redis_uri)

    assert await refused.end() == 1
    assert 'its schema is at revision "runs", which is older than this version; run `runwire migrate`' in refused.output
    assert refused.output.count("\n") == 1


async def test_a_part_does_not_start_before_the_first_migration_is_done(
    start: Start, servers: Servers, database_uri: str
) -> None:
    connection = await asyncpg.connect(database_uri)
    await connection.execute("DELETE FROM migrations")
    await connection.close()

    refused = start("resource", DATABASE_URI=database_uri, REDIS_URI=servers.redis_uri)

    assert await refused.end() == 1
    assert 'its schema is at revision "initial"' in refused.output


@pytest.mark.parametrize(
    ("arguments", "variables", "sentence"),
    [
        (["migrate"], {}, "Set DATABASE_URI to the database to migrate."),
        (["resource"], {}, "Set DATABASE_URI and REDIS_URI, or run `runwire up`"),
        (["migrate"], {"DATABASE_URI": "postgresql://x@127.0.0.1:1/x"}, "can't be brought to the latest schema"),
        (["migrate"], {"DATABASE_URI": "nonsense"}, "RUNWIRE_DATABASE_URI: must be like postgresql://"),
        (["up"], {"RUNWIRE_LEASE": "1"}, "RUNWIRE_LEASE must be at least three times RUNWIRE_HEARTBEAT_INTERVAL."),
        (["up"], {"RUNWIRE_SLOTS": "none"}, "RUNWIRE_SLOTS: Input should be a valid integer"),
    ],
)
async def test_what_is_missing_is_said_in_one_line(
    start: Start, arguments: list[str], variables: dict[str, str], sentence: str
) -> None:
    command = start(*arguments, **variables)
    assert await command.end() == 1
    assert sentence in command.output
    assert command.output.count("\n") == 1
