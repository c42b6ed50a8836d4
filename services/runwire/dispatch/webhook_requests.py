"""What a request may say about its webhook. No IO: what a host's name resolves to is judged at each call."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx2

from runwire.api.dispatch.v1.runs_pb2 import CreateRunRequest
from runwire.core.checks import Checks
from runwire.dispatch.webhook_addresses import is_public_host

MAX_URL_BYTES = 2048
MAX_HEADERS = 32
MAX_HEADER_NAME_BYTES = 256
MAX_HEADER_VALUE_BYTES = 4096

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~]([ \t!-~]*[!-~])?")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]")
# What the connection or the delivery itself says.
_OWN_HEADERS = {
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
}
_OWN_PREFIXES = ("webhook-", "proxy-")


def check_webhook(checks: Checks, request: CreateRunRequest, *, private_addresses: bool = False) -> None:
    """Notes what is wrong with the request's webhook. The values of headers are never repeated."""
    if not request.HasField("webhook"):
        return
    _check_url(checks, request.webhook.url, private_addresses)
    _check_headers(checks, request.webhook.headers)


def _check_url(checks: Checks, text: str, private_addresses: bool) -> None:
    field = "webhook.url"
    if not checks.require(field, text):
        return
    if len(text.encode()) > MAX_URL_BYTES:
        checks.add(field, "PAYLOAD_TOO_LARGE", f"must be at most {MAX_URL_BYTES} bytes")
    elif (wrong := _wrong_url(text)) is not None:
        checks.add(field, "FIELD_INVALID", wrong)
    elif not private_addresses and not is_public_host(httpx2.URL(text).raw_host.decode()):
        checks.add(field, "FIELD_INVALID", "names a private address, which this server does not call")


def _wrong_url(text: str) -> str | None:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = None
    if url is None or _UNPRINTABLE.search(text) or url.scheme not in ("http", "https") or not url.raw_host:
        return "must be an http or https URL"
    if url.port is not None and not 1 <= url.port <= 65535:
        return "must name a port of 1 to 65535, or none"
    if url.userinfo:
        return "must not hold a user or a password: send a header"
    return "must not have a fragment" if url.fragment else None


def _check_headers(checks: Checks, headers: Mapping[str, str]) -> None:
    if len(headers) > MAX_HEADERS:
        checks.add("webhook.headers", "FIELD_OUT_OF_RANGE", f"must have 0 to {MAX_HEADERS} elements")
        return
    seen: set[str] = set()
    for name in sorted(headers):
        if _check_name(checks, name, seen):
            _check_value(checks, f"webhook.headers[{name}]", headers[name])
        seen.add(name.lower())


def _check_name(checks: Checks, name: str, seen: set[str]) -> bool:
    if len(name) > MAX_HEADER_NAME_BYTES or not _TOKEN.fullmatch(name):
        # It is not repeated: it might be a whole header with its value.
        limits = f"1 to {MAX_HEADER_NAME_BYTES} characters that HTTP allows in one"
        checks.add("webhook.headers", "FIELD_INVALID", f"a header's name must be {limits}")
        return False
    lower = name.lower()
    if lower in _OWN_HEADERS or lower.startswith(_OWN_PREFIXES):
        checks.add(f"webhook.headers[{name}]", "FIELD_INVALID", "is set by the server")
        return False
    if lower in seen:
        checks.add(f"webhook.headers[{name}]", "FIELD_INVALID", "is there twice; names differ by more than case")
        return False
    return True


def _check_value(checks: Checks, field: str, value: str) -> None:
    if len(value) > MAX_HEADER_VALUE_BYTES:
        checks.add(field, "PAYLOAD_TOO_LARGE", f"must be at most {MAX_HEADER_VALUE_BYTES} bytes")
    elif value and not _VALUE.fullmatch(value):
        checks.add(field, "FIELD_INVALID", "must be printable ASCII without spaces around it")
