"""Settings that can't be used are named, and what they hold is not shown."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from runwire.core.settings import Settings, told


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "postgresql://u:p@host:5432/db?sslmode=disable",
        "postgres://u:p%2F@one:1,two:2/db",
        "postgresql:///db?host=/tmp",
        "postgresql://[::1]:5432/db",
    ],
)
def test_addresses_of_databases_are_taken(uri: str) -> None:
    assert Settings(database_uri=uri).database_uri == uri


@pytest.mark.parametrize("uri", ["redis://:p@127.0.0.1:6379/0", "rediss://u:p@host", "unix://u:p@/tmp/redis.sock"])
def test_addresses_of_redis_are_taken(uri: str) -> None:
    assert Settings(redis_uri=uri).redis_uri == uri


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("database_uri", "hidden"),
        ("database_uri", "mysql://u:hidden@host/db"),
        ("database_uri", "postgresql://u:hidden/x@host/db"),
        ("database_uri", "postgresql://u:hidden#x@host/db"),
        ("database_uri", "postgresql://u:hidden?x@host/db"),
        ("database_uri", "postgresql://u:hidden@host:port/db"),
        ("redis_uri", "redis://:hidden/x@host:1"),
        ("redis_uri", "http://:hidden@host"),
    ],
)
def test_an_address_that_can_not_be_read_is_not_repeated(name: str, uri: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({name: uri})
    text = told(caught.value)
    assert text.startswith(f"RUNWIRE_{name.upper()}: ")
    assert "hidden" not in text + str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("jwt_leeway", "-PT1S"), ("jwt_leeway", "301"), ("stream_lifetime", "0"), ("stream_lifetime", "P8D")],
)
def test_time_limits_of_access_are_neither_none_nor_endless(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}\n  Input should be (greater|less) than or equal to"):
        Settings.model_validate({name: value})
