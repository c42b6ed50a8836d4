"""Where a server may listen, and what it says when it may not."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import Any

import pytest

import runwire.resource.__main__ as resource
from runwire.client import connect
from runwire.core.access import AccessError
from runwire.core.access.exposure import check_exposure
from runwire.core.settings import Settings, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("[::]", False),
        ("10.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("fields", [{}, {"allow_anonymous": True}, {"api_keys_file": "keys"}])
def test_on_loopback_everything_goes(fields: dict[str, Any]) -> None:
    check_exposure(Settings(**fields))


def test_elsewhere_authentication_is_asked_for() -> None:
    with pytest.raises(AccessError, match=r"^RUNWIRE_HOST=0\.0\.0\.0 can be reached from other machines, but no auth"):
        check_exposure(Settings(host="0.0.0.0"))


@pytest.mark.parametrize("fields", [{}, {"allow_anonymous": True}])
def test_elsewhere_credentials_do_not_come_in_plain_text(fields: dict[str, Any]) -> None:
    with pytest.raises(AccessError, match="credentials would come in plain text: set RUNWIRE_TLS_CERTIFICATE"):
        check_exposure(Settings(host="10.0.0.1", api_keys_file="keys", **fields))


@pytest.mark.parametrize("fields", [{"allow_plaintext": True}, {"tls_certificate": "c", "tls_key": "k"}])
def test_elsewhere_credentials_are_encrypted_by_the_servers_or_by_something_else(fields: dict[str, Any]) -> None:
    check_exposure(Settings(host="10.0.0.1", api_keys_file="keys", **fields))


def test_elsewhere_everybody_is_let_in_when_that_is_said() -> None:
    check_exposure(Settings(host="0.0.0.0", allow_anonymous=True))


@pytest.mark.parametrize("process", ["stream", "worker"])
def test_a_process_that_would_be_open_to_all_refuses_to_start(process: str, settings: Settings) -> None:
    environment = {**os.environ, **settings.variables(), "RUNWIRE_HOST": "0.0.0.0", "RUNWIRE_LOG_LEVEL": "ERROR"}
    done = subprocess.run(
        [sys.executable, "-m", f"runwire.{process}"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("RUNWIRE_HOST=0.0.0.0 can be reached from other machines")


@pytest.mark.parametrize("host", ["::1", "[::1]", "localhost"])
async def test_loopback_may_be_named_in_each_of_its_ways(settings: Settings, host: str) -> None:
    if host != "localhost" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    address = host if host == "localhost" else "[::1]"
    async with (
        resource.running(settings.model_copy(update={"host": host})) as port,
        connect(f"{address}:{port}") as client,
    ):
        assert await client.threads.count() == 0


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
