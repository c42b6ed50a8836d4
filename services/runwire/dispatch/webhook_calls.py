"""One webhook call over HTTP: to an address that may be called, within its time, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import httpx2

from runwire.core.settings import Settings
from runwire.dispatch import webhook_addresses
from runwire.dispatch.webhook_addresses import Resolve

Headers = Sequence[tuple[str, str]]

_ADDRESSES_TRIED = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call. `http_status` 0: there was no answer; `error` empty: the receiver took it."""

    http_status: int
    error: str


@cache
def _public_tls() -> ssl.SSLContext:
    """Trusts the public authorities. To read them takes milliseconds, so it is done once."""
    return httpx2.create_ssl_context()


class _NoAddress(Exception):
    """The host has no address that may be called."""


class Caller:
    """Makes calls. It keeps nothing of one for the next: no connection, no cookie, and no proxy of the environment."""

    def __init__(
        self, settings: Settings, *, resolve: Resolve = webhook_addresses.resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._private = settings.webhook_private_addresses
        self._connect_limit = settings.webhook_connect_timeout.total_seconds()
        self._limit = settings.webhook_timeout.total_seconds()
        self._resolve = resolve
        # At DEBUG it would log the values of headers.
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        # Connections are told apart by address and not by name, so none may serve two calls.
        self._transport = httpx2.AsyncHTTPTransport(
            verify=tls or _public_tls(),
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        )

    async def __aenter__(self) -> Caller:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.__aexit__()

    async def post(self, url: str, headers: Headers, body: bytes) -> Answer:
        """Sends the body. Of the answer the status alone counts. A redirect is not followed, and is a failure."""
        try:
            async with asyncio.timeout(self._limit):
                status = await self._post(httpx2.URL(url), headers, body)
        # What the libraries say may hold a header's value, so it is not repeated.
        except (TimeoutError, _NoAddress, OSError, UnicodeError, httpx2.TransportError, httpx2.InvalidURL) as error:
            return Answer(0, self._reason(error))
        return Answer(status, _objection(status))

    async def _post(self, url: httpx2.URL, headers: Headers, body: bytes) -> int:
        addresses = await self._addresses(url)
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, url, headers, body)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._post_to(addresses[-1], url, headers, body)

    async def _addresses(self, url: httpx2.URL) -> Sequence[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await self._resolve(url.raw_host.decode(), port)
        allowed = [address for address in found if self._private or webhook_addresses.is_public(address)]
        if not allowed:
            raise _NoAddress
        return allowed[:_ADDRESSES_TRIED]

    async def _post_to(self, address: str, url: httpx2.URL, headers: Headers, body: bytes) -> int:
        """The HTTP status. The address stands in the URL, so that no name is resolved again."""
        request = httpx2.Request(
            "POST",
            url.copy_with(host=address),
            headers=[("Host", url.netloc.decode()), ("Connection", "close"), *headers],
            content=body,
            extensions={"sni_hostname": url.raw_host.decode(), "timeout": self._timeouts()},
        )
        response = await self._transport.handle_async_request(request)
        await response.aclose()
        return response.status_code

    def _timeouts(self) -> dict[str, float]:
        return {"connect": self._connect_limit, "read": self._limit, "write": self._limit, "pool": self._limit}

    def _reason(self, error: Exception) -> str:
        match error:
            case _NoAddress():
                return "the host has no address that this server calls"
            case httpx2.ConnectTimeout():
                return f"no connection within {self._connect_limit:g} s"
            case TimeoutError() | httpx2.TimeoutException():
                return f"no answer within {self._limit:g} s"
            case OSError() | UnicodeError():
                return "the host's name can't be resolved"
            case httpx2.ConnectError() if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
                return "no TLS connection: the certificate is not valid for the host, or there is no TLS"
            case httpx2.ConnectError():
                return "no connection: it was refused, or the host can't be reached"
            case httpx2.RemoteProtocolError() | httpx2.ReadError() | httpx2.WriteError():
                return "the connection ended without an HTTP answer"
        return "the request can't be sent"


def _objection(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return f"answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found
