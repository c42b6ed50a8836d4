"""The client's keys and tokens: sent with each call, never shown, never in plain text to elsewhere."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from runwire.client import Client, connect, connect_sync
from runwire.client.client import DISPATCH, RESOURCE, STREAM
from runwire.client.credentials import check_plaintext
from runwire.client.errors import NotFound, PermissionDenied, Unauthenticated
from tests.access.conftest import Guarded
from tests.client.conftest import Addresses

NOBODYS = "01890a5d-ac96-774b-bcce-b302099a8057"
TOKEN = "rw_0123456789ab_secret"


def three(guarded: Guarded) -> Addresses:
    found = guarded.addresses
    return {"resource": found["resource"], "dispatch": found["dispatch"], "stream": found["stream"]}


@pytest.fixture
def connected(guarded: Guarded) -> Callable[..., Client]:
    """Connects to the services with more arguments."""
    return partial(connect, **three(guarded))


async def test_a_key_goes_with_calls_and_streams(guarded: Guarded, connected: Callable[..., Client]) -> None:
    async with connected(api_key=guarded.keys["*"]) as client:
        assert await client.threads.count() >= 0
        with pytest.raises(NotFound):
            await anext(aiter(client.runs.join_stream(NOBODYS)))
        assert await client.with_options(timeout=5, metadata={"x-trace": "1"}).threads.count() >= 0


async def test_without_a_key_the_caller_hears_that_it_has_none(connected: Callable[..., Client]) -> None:
    async with connected() as client:
        with pytest.raises(Unauthenticated) as caught:
            await client.threads.count()
    assert caught.value.reason == "UNAUTHENTICATED"


async def test_without_the_scope_the_caller_hears_which(guarded: Guarded, connected: Callable[..., Client]) -> None:
    async with connected(api_key=guarded.keys["runs:read"]) as client:
        with pytest.raises(PermissionDenied, match="threads:read") as caught:
            await client.threads.count()
    assert caught.value.metadata == {"scope": "threads:read"}


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_token_is_asked_for_before_each_call(
    guarded: Guarded, connected: Callable[..., Client], is_async: bool
) -> None:
    given: list[str] = []

    def token() -> str:
        given.append(guarded.keys["*"] if given else "expired")
        return given[-1]

    async def later() -> str:
        await asyncio.sleep(0)
        return token()

    source: Callable[[], str] | Callable[[], Awaitable[str]] = later if is_async else token
    async with connected(token=source) as client:
        with pytest.raises(Unauthenticated):
            await client.threads.count()
        assert await client.threads.count() >= 0
    assert len(given) == 2


async def test_the_synchronous_client_sends_them_too(guarded: Guarded) -> None:
    def count() -> int:
        with connect_sync(**three(guarded), token=lambda: guarded.keys["threads:read"]) as client:
            return client.threads.count()

    assert await asyncio.to_thread(count) >= 0


async def test_nothing_shows_the_key(connected: Callable[..., Client]) -> None:
    async with connected(api_key=TOKEN, metadata={"x-other": TOKEN}) as client:
        with pytest.raises(Unauthenticated) as caught:
            await client.threads.count()
        shown = [repr(client), repr(client._wire), str(client), *traceback.format_exception(caught.value)]
    assert "secret" not in "".join([*shown, repr(caught.value), repr(vars(caught.value))])


@pytest.mark.parametrize("key", [f"{TOKEN}\n", f" {TOKEN}", "", f"{TOKEN}\0", f"ü{TOKEN}"])
@pytest.mark.parametrize("as_call", [False, True])
async def test_a_key_that_can_not_be_sent_is_refused_without_being_shown(
    connected: Callable[..., Client], key: str, as_call: bool
) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        await connected(token=(lambda: key) if as_call else key).threads.count()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("make", [connect, connect_sync])
def test_a_key_and_a_token_exclude_each_other(make: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        make(api_key=TOKEN, token=TOKEN)


@pytest.mark.parametrize("make", [connect, connect_sync])
def test_a_key_does_not_leave_this_machine_in_plain_text(make: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="in plain text") as caught:
        make("runwire.example.org:443", api_key=TOKEN)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["example.org:1", "10.0.0.1:1", "[2001:db8::1]:1", "localhost.example.org:1"])
def test_addresses_elsewhere_are_told_from_those_here(address: str) -> None:
    with pytest.raises(ValueError, match="in plain text"):
        check_plaintext([RESOURCE, address], allowed=False)
    check_plaintext([address], allowed=True)
    check_plaintext(
        [RESOURCE, DISPATCH, STREAM, "localhost:1", "[::1]:1", "unix:/x", "dns:///127.0.0.1:1"], allowed=False
    )
