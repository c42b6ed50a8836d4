"""What a request may say about its webhook, and which addresses are public."""

from __future__ import annotations

import pytest

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest, Webhook
from runwire.core.checks import Checks
from runwire.dispatch.webhook_addresses import is_public
from runwire.dispatch.webhook_requests import check_webhook


def violations(webhook: Webhook | None, *, private_addresses: bool = False) -> dict[str, str]:
    checks = Checks()
    check_webhook(checks, CreateRunRequest(webhook=webhook), private_addresses=private_addresses)
    return {violation.field: violation.reason for violation in checks.violations}


def with_header(name: str, value: str) -> Webhook:
    return Webhook(url="https://example.com/hook", headers={name: value})


def test_a_request_without_a_webhook_is_fine() -> None:
    assert violations(None) == {}


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a/b?c=d&e=%20",
        "https://xn--bcher-kva.example/",
        "https://bücher.example/ü",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://localhost.example.com/",
        f"https://example.com/{'a' * 2028}",
    ],
)
def test_a_public_url_is_taken(url: str) -> None:
    assert violations(Webhook(url=url)) == {}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "FIELD_REQUIRED"),
        ("example.com/hook", "FIELD_INVALID"),
        ("ftp://example.com/", "FIELD_INVALID"),
        ("file:///etc/passwd", "FIELD_INVALID"),
        ("https:///hook", "FIELD_INVALID"),
        ("https://", "FIELD_INVALID"),
        ("https://exa mple.com/", "FIELD_INVALID"),
        ("https://0177.0.0.1/", "FIELD_INVALID"),
        ("https://example.com/a b", "FIELD_INVALID"),
        ("https://example.com/\r\nX: y", "FIELD_INVALID"),
        ("https://example.com:99999/", "FIELD_INVALID"),
        ("https://example.com:0/", "FIELD_INVALID"),
        ("https://user:secret@example.com/", "FIELD_INVALID"),
        ("https://example.com/#top", "FIELD_INVALID"),
        (f"https://example.com/{'a' * 2029}", "PAYLOAD_TOO_LARGE"),
    ],
)
def test_a_wrong_url_is_named(url: str, reason: str) -> None:
    assert violations(Webhook(url=url)) == {"webhook.url": reason}


PRIVATE_URLS = [
    "http://localhost/",
    "http://LOCALHOST.:8080/",
    "http://app.localhost/",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://10.1.2.3/",
    "http://169.254.169.254/latest/meta-data",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1%25eth0]/",
    "http://0.0.0.0/",
]


@pytest.mark.parametrize("url", PRIVATE_URLS)
def test_a_url_that_names_a_private_address_is_refused(url: str) -> None:
    assert violations(Webhook(url=url)) == {"webhook.url": "FIELD_INVALID"}


@pytest.mark.parametrize("url", PRIVATE_URLS)
def test_a_private_address_is_taken_where_the_server_allows_it(url: str) -> None:
    assert violations(Webhook(url=url), private_addresses=True) == {}


@pytest.mark.parametrize("value", ["", "a", "Bearer abc.def", "a\tb", "x" * 4096])
def test_a_header_is_taken(value: str) -> None:
    assert violations(with_header("Authorization", value)) == {}


@pytest.mark.parametrize("value", ["a\r\nX: y", " a", "a ", "ü", "a\0b", "\x7f"])
def test_a_value_that_http_does_not_allow_is_named_by_its_header(value: str) -> None:
    assert violations(with_header("X-Key", value)) == {"webhook.headers[X-Key]": "FIELD_INVALID"}


def test_a_long_value_is_refused() -> None:
    assert violations(with_header("X-Key", "x" * 4097)) == {"webhook.headers[X-Key]": "PAYLOAD_TOO_LARGE"}


@pytest.mark.parametrize("name", ["", "a b", "Authorization: Bearer abc", "x\r\n", "ü", "x" * 257])
def test_a_name_that_http_does_not_allow_is_not_repeated(name: str) -> None:
    assert violations(with_header(name, "v")) == {"webhook.headers": "FIELD_INVALID"}


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Content-Type", "Transfer-Encoding", "Webhook-Signature", "Proxy-Authorization"]
)
def test_a_header_that_the_server_sets_is_refused(name: str) -> None:
    assert violations(with_header(name, "v")) == {f"webhook.headers[{name}]": "FIELD_INVALID"}


def test_a_header_that_is_there_twice_is_refused() -> None:
    webhook = Webhook(url="https://example.com", headers={"X-Key": "a", "x-key": "b"})
    assert violations(webhook) == {"webhook.headers[x-key]": "FIELD_INVALID"}


def test_more_headers_than_32_are_refused() -> None:
    webhook = Webhook(url="https://example.com", headers={f"X-{number}": "v" for number in range(33)})
    assert violations(webhook) == {"webhook.headers": "FIELD_OUT_OF_RANGE"}


def test_what_is_said_of_a_header_does_not_hold_its_value() -> None:
    checks = Checks()
    webhook = Webhook(url="https://example.com", headers={"X-Key": "s3cret\r\n", "Bad name s3cret": "s3cret"})
    check_webhook(checks, CreateRunRequest(webhook=webhook))
    assert checks.violations
    assert "s3cret" not in repr(checks.violations)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_any_other_address_is_not(address: str) -> None:
    assert not is_public(address)
