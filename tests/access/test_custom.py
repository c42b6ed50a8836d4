"""A project's own `auth`: what is honoured, and what is refused at the start."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from langgraph_sdk import Auth

import runwire.resource.__main__ as resource
from runwire.core.access import AccessError
from runwire.core.access.api_keys import add_line, new_key
from runwire.core.access.custom import CustomAuth
from runwire.core.access.custom_handler import Nobody, Unusable, asked, check
from runwire.core.identity import Identity
from runwire.core.settings import Settings
from tests.access.conftest import bearer, refused_on
from tests.access.own_auth import CUSTOM, project
from tests.contract.rpcs import all_rpcs

RPCS = {rpc.name: rpc for rpc in all_rpcs()}
METHOD = RPCS["ListThreads"].path


@pytest.fixture(scope="module")
async def known(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CustomAuth]:
    """The project's auth, asked in its process."""
    file = project(tmp_path_factory.mktemp("custom"), OF_THE_PROJECT="yes")
    auth = CustomAuth(Settings(graphs=file, custom_auth=True))
    async with auth.running():
        yield auth


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (bearer("alice"), Identity("acme", "alice", frozenset({"threads:read"}))),
        (bearer("everything"), Identity("acme", "bob", frozenset({"*"}))),
        (bearer("object"), Identity("acme", "object", frozenset({"*"}))),
        (bearer("environment"), Identity("acme", "env", frozenset({"*"}))),
        ([("x-api-key", "from-a-header")], Identity("acme", "carol", frozenset({"*"}))),
        (bearer("nobody"), None),
        ([], None),
    ],
)
async def test_the_handler_says_who_calls(
    known: CustomAuth, metadata: list[tuple[str, str | bytes]], expected: Identity | None
) -> None:
    assert await known.identity(metadata, METHOD) == expected


@asynccontextmanager
async def served(settings: Settings, **fields: Any) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        resource.running(settings.model_copy(update={"custom_auth": True, **fields})) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield channel


async def test_a_server_asks_it_for_every_call_but_those_with_its_own_keys(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = tmp_path / "keys.jsonl"
    key, line = new_key("other", "ci", ["threads:read"], None)
    add_line(keys, line)
    calls = {
        "alice": (RPCS["ListThreads"], bearer("alice"), None),
        "alice writes": (RPCS["CreateThread"], bearer("alice"), "PERMISSION_DENIED"),
        "a key": (RPCS["ListThreads"], bearer(key), None),
        "a wrong key": (RPCS["ListThreads"], bearer(f"{key}x"), "UNAUTHENTICATED"),
        "nobody": (RPCS["ListThreads"], [], "UNAUTHENTICATED"),
        "a failure": (RPCS["ListThreads"], bearer("broken-secret"), "AUTHENTICATION_UNAVAILABLE"),
    }
    with caplog.at_level(logging.DEBUG):
        async with served(settings, graphs=project(tmp_path), api_keys_file=str(keys)) as channel:
            for name, (rpc, metadata, reason) in calls.items():
                refused = await refused_on(channel, rpc, metadata, b"")
                assert (refused.reason if refused else None) == reason, name
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)


async def test_a_caller_that_can_not_be_told_hears_nothing_of_tokens(settings: Settings, tmp_path: Path) -> None:
    async with served(settings, graphs=project(tmp_path)) as channel:
        refused = await refused_on(channel, RPCS["ListThreads"], bearer("broken-secret"), b"")
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "AUTHENTICATION_UNAVAILABLE")
    assert refused.message == "Who calls can't be told at the moment; try again."


@pytest.mark.parametrize(
    "metadata",
    [
        [*bearer("nobody"), *bearer("alice")],
        [*bearer("alice"), ("x-api-key", "from-a-header")],
        [("authorization", "Basic YTpi"), *bearer("alice")],
        [("x-api-key", "rw_00000000_x"), *bearer("alice")],
    ],
)
async def test_a_call_that_shows_two_credentials_is_refused_without_being_asked_about(
    settings: Settings, tmp_path: Path, metadata: list[tuple[str, str]]
) -> None:
    keys = tmp_path / "keys.jsonl"
    add_line(keys, new_key("other", "ci", ["*"], None)[1])
    async with served(settings, graphs=project(tmp_path), api_keys_file=str(keys)) as channel:
        refused = await refused_on(channel, RPCS["ListThreads"], metadata, b"")
    assert refused is not None
    assert refused.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("auth = 7", "it is a int, not a langgraph_sdk.Auth"),
        ("import nothing_of_that_name", "own_auth.py can't be imported"),
        ("import os; os._exit(3)", "it ended before it was ready"),
        ("import os, sys; os.write(int(sys.argv[1]), b'7\\n')", "its first words were not those of the protocol"),
        ("other = 1", "own_auth.py has no auth"),
    ],
)
async def test_an_auth_that_can_not_be_used_is_an_error_at_the_start(
    tmp_path: Path, source: str, sentence: str
) -> None:
    with pytest.raises(AccessError, match=sentence):
        async with CustomAuth(Settings(graphs=project(tmp_path, source), custom_auth=True)).running():
            pass


async def test_handlers_that_would_not_be_asked_are_named_at_the_start(settings: Settings, tmp_path: Path) -> None:
    source = (
        CUSTOM
        + """

@auth.on
async def everything(ctx, value): return False

@auth.on.threads.create
async def owner(ctx, value): return {"owner": ctx.user.identity}

@auth.on.store()
async def store(ctx, value): return None
"""
    )
    with pytest.raises(
        AccessError, match=r"@auth\.on, @auth\.on\.store, @auth\.on\.threads\.create would not be asked"
    ):
        async with served(settings, graphs=project(tmp_path, source)):
            pass


def made(authenticate: Callable[..., Any]) -> Auth:
    auth = Auth()
    auth.authenticate(authenticate)
    return auth


def test_a_handler_that_asks_for_what_is_not_there_is_refused() -> None:
    async def authenticate(request: object, body: object, authorization: str) -> str:
        return "x"

    with pytest.raises(Unusable, match="asks for request, body, and can be told authorization, headers, method, path"):
        check(made(authenticate))
    with pytest.raises(Unusable, match=r"no @auth\.authenticate"):
        check(Auth())


async def test_no_value_of_a_repeated_name_hides_another() -> None:
    seen = {}

    async def authenticate(headers: dict[bytes, bytes]) -> str:
        seen.update(headers)
        return "u"

    await asked(made(authenticate), METHOD, [("x-user", "alice"), ("x-a", "1"), ("x-user", "mallory")], "")
    assert seen == {b"x-user": b"alice, mallory", b"x-a": b"1"}


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("u", {"identity": "u", "tenant": "default", "scopes": ["*"]}),
        ({"identity": "u", "permissions": []}, {"identity": "u", "tenant": "default", "scopes": []}),
        (
            {"identity": "u", "permissions": ("runs:*", "x", 7)},
            {"identity": "u", "tenant": "default", "scopes": ["runs:*"]},
        ),
        ({"identity": "u", "is_authenticated": False}, None),
        (None, None),
    ],
)
async def test_users_of_every_form_become_callers(user: Any, expected: Any) -> None:
    async def later() -> Any:
        return user

    for authenticate in (later, lambda: user):
        assert await asked(made(authenticate), METHOD, [], "") == expected


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({}, ""),
        ({"identity": 7}, ""),
        ({"identity": ""}, ""),
        ("u", "tenant"),
        ({"identity": "u", "tenant": "a/b"}, "tenant"),
        ({"identity": "u@example.org"}, "identity"),
        ({"identity": "u", "permissions": "runs:*"}, ""),
        ({"identity": "u", "permissions": None}, ""),
    ],
)
async def test_users_who_are_no_callers_are_let_in_nowhere(user: Any, key: str) -> None:
    with pytest.raises(Nobody):
        await asked(made(lambda: user), METHOD, [], key)


@pytest.mark.parametrize("field", ["permissions", "is_authenticated"])
async def test_a_field_that_fails_is_not_taken_for_one_that_is_not_there(field: str) -> None:
    def fails(user: object) -> object:
        raise AttributeError

    user = type("User", (), {"identity": "u", field: property(fails)})()
    with pytest.raises(AttributeError):
        await asked(made(lambda: user), METHOD, [], "")


async def test_refusals_are_told_from_failures() -> None:
    def refuses(error: Exception) -> Auth:
        async def authenticate() -> str:
            raise error

        return made(authenticate)

    assert await asked(refuses(AssertionError()), METHOD, [], "") is None
    assert await asked(refuses(Auth.exceptions.HTTPException(403)), METHOD, [], "") is None
    for failure in (Auth.exceptions.HTTPException(503), KeyError("x")):
        with pytest.raises(type(failure)):
            await asked(refuses(failure), METHOD, [], "")
