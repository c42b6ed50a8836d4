"""The process of a project's own `auth`: whatever becomes of it, another one takes its place."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import psutil
import pytest
import uvloop

import runwire.resource.__main__ as resource
from runwire.core.access import custom, custom_child
from runwire.core.access.custom import CustomAuth
from runwire.core.errors import AuthenticationUnavailable
from runwire.core.settings import Settings
from tests.access.conftest import bearer, refused_on
from tests.access.own_auth import UNRULY, project
from tests.contract.rpcs import all_rpcs
from tests.harness.waiting import until

[LIST_THREADS] = [rpc for rpc in all_rpcs() if rpc.name == "ListThreads"]
METHOD = LIST_THREADS.path


@pytest.fixture(autouse=True)
def _nothing_is_found_by_its_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_child, "_ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(custom, "_RESTART_SECONDS", 0.05)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that blocks is given up soon."""
    monkeypatch.setattr(custom_child, "_ANSWER_SECONDS", 0.5)


def unruly(folder: Path, **env: str) -> CustomAuth:
    """The auth of `unruly_project`."""
    return CustomAuth(Settings(graphs=project(folder, UNRULY, **env), custom_auth=True))


@asynccontextmanager
async def running(auth: CustomAuth) -> AsyncIterator[psutil.Process]:
    """Asks, and gives the process that is asked."""
    before = children()
    async with auth.running():
        [child] = children() - before
        yield child


def children() -> set[psutil.Process]:
    """The processes that ask any `auth`."""
    found = psutil.Process().children()
    return {child for child in found if "runwire.core.access.custom_process" in " ".join(child.cmdline())}


async def gone(*processes: psutil.Process) -> None:
    """Waits until they run no more, whether or not somebody has asked how they ended."""

    async def are() -> bool:
        return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)

    await until(are)


async def answers(auth: CustomAuth) -> None:
    """Waits until it answers."""

    async def does() -> bool:
        try:
            return await auth.identity(bearer("alice"), METHOD) is not None
        except AuthenticationUnavailable:
            return False

    await until(does)


async def unanswered(auth: CustomAuth, token: str) -> None:
    """Asks what gets no answer, and hears of that soon."""
    async with asyncio.timeout(20):
        with pytest.raises(AuthenticationUnavailable):
            await auth.identity(bearer(token), METHOD)


async def hung_up(auth: CustomAuth, token: str) -> None:
    """Asks, and does not wait for the answer."""
    call = asyncio.create_task(auth.identity(bearer(token), METHOD))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Has those wait who ask for the token "waits"."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(("token", "error"), [("fails", "RuntimeError"), ("cancelled", "CancelledError")])
async def test_a_handler_that_fails_lets_nobody_in_and_shows_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], token: str, error: str
) -> None:
    auth = unruly(tmp_path)
    async with running(auth):
        await unanswered(auth, token)
    said = capfd.readouterr().err
    assert error in said
    assert "own_auth.py:" in said
    assert "secret" not in said


async def test_a_process_that_dies_is_replaced(tmp_path: Path) -> None:
    auth = unruly(tmp_path)
    async with running(auth):
        await unanswered(auth, "dies")
        await answers(auth)


async def test_a_process_that_dies_is_replaced_with_all_that_it_started(tmp_path: Path) -> None:
    auth = unruly(tmp_path)
    async with running(auth) as child:
        await auth.identity(bearer("forks"), METHOD)
        [forked] = child.children()
        await unanswered(auth, "dies")
        await answers(auth)
        await gone(child, forked)


async def test_a_process_ends_with_its_server_and_with_all_that_it_started(tmp_path: Path) -> None:
    auth = unruly(tmp_path)
    async with running(auth) as child:
        await auth.identity(bearer("forks"), METHOD)
        [forked] = child.children()
    await gone(child, forked)


@pytest.mark.usefixtures("impatient")
async def test_a_process_that_blocks_is_replaced(settings: Settings, tmp_path: Path) -> None:
    fields = {"custom_auth": True, "graphs": project(tmp_path, UNRULY)}
    async with (
        resource.running(settings.model_copy(update=fields)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        refused = await refused_on(channel, LIST_THREADS, bearer("blocks"), b"")
        assert refused is not None
        assert refused.reason == "AUTHENTICATION_UNAVAILABLE"

        async def serves() -> bool:
            return await refused_on(channel, LIST_THREADS, bearer("alice"), b"") is None

        await until(serves)


@pytest.mark.usefixtures("impatient")
async def test_a_process_that_blocks_is_replaced_also_when_nobody_waits_for_it(tmp_path: Path) -> None:
    auth = unruly(tmp_path)
    async with running(auth) as child:
        await hung_up(auth, "blocks")
        await gone(child)
        await answers(auth)


@pytest.mark.usefixtures("impatient")
async def test_a_process_that_blocks_ends_with_its_server(tmp_path: Path) -> None:
    auth = unruly(tmp_path)
    async with running(auth) as child:
        await hung_up(auth, "blocks")
    await gone(child)


@pytest.mark.parametrize("words", ["7", "no JSON", '{"id": -1, "caller": null}', '{"id": 0, "caller": 7}', "long"])
async def test_a_process_that_says_what_is_no_answer_is_replaced(
    tmp_path: Path, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    auth = unruly(tmp_path, WORDS=words if words != "long" else words * 300_000)
    async with running(auth):
        await unanswered(auth, "writes")
        await answers(auth)
    [record] = [record for record in caplog.records if getattr(record, "action", "") == "custom_auth_ended"]
    assert "what it said is no answer" in vars(record)["why"]


async def test_a_start_that_fails_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    auth = unruly(tmp_path)

    async def has_failed() -> bool:
        return any(getattr(record, "action", "") == "custom_auth" for record in caplog.records)

    async with running(auth):
        project(tmp_path, "import os, sys; os.write(int(sys.argv[1]), b'7\\n')")
        await unanswered(auth, "dies")
        await until(has_failed)
        project(tmp_path, UNRULY)
        await answers(auth)


async def test_a_question_counts_until_it_is_answered_also_when_its_caller_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_child, "_MOST_ASKED", 2)
    file = tmp_path / "lock"
    auth = unruly(tmp_path, LOCK=str(file))
    async with running(auth):
        with locked(file):
            await hung_up(auth, "waits")
            await hung_up(auth, "waits")
            await unanswered(auth, "alice")
        await answers(auth)


def test_calls_at_the_moment_of_death_get_no_answer_on_uvloop_too(tmp_path: Path) -> None:
    async def ask_on_while_it_dies() -> set[str]:
        auth = unruly(tmp_path)
        large = [*bearer("alice"), ("x-large", "x" * 8000)]
        async with running(auth) as child:
            calls = []
            for number in range(600):
                if number == 100:
                    child.kill()
                calls.append(asyncio.create_task(auth.identity(large, METHOD)))
                await asyncio.sleep(0)
            answered = await asyncio.gather(*calls, return_exceptions=True)
        return {type(answer).__name__ for answer in answered}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(ask_on_while_it_dies())
    assert seen <= {"Identity", "AuthenticationUnavailable"}
    assert "AuthenticationUnavailable" in seen
