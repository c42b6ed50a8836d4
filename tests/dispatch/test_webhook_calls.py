"""One webhook call: where it goes, how long it takes, and what is said of it."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runwire.core.settings import Settings
from runwire.dispatch.webhook_addresses import Resolve, resolve
from runwire.dispatch.webhook_calls import Answer, Caller
from tests.dispatch.webhook_receiver import HOST, Receiver, Reply, receiving

SECRET = "s3cret-value"
PUBLIC = "93.184.216.34"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


def names(*answers: Sequence[str]) -> Resolve:
    """A resolver whose answers change from one question to the next; the last one stays."""
    left = list(answers)

    async def asked(host: str, port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return asked


async def post(
    url: str,
    *,
    private: bool = True,
    resolver: Resolve = resolve,
    tls: ssl.SSLContext | None = None,
    headers: Sequence[tuple[str, str]] = (("X-Key", SECRET),),
    limit: float = 5.0,
    connect_limit: float = 5.0,
) -> Answer:
    settings = Settings(
        webhook_private_addresses=private,
        webhook_timeout=timedelta(seconds=limit),
        webhook_connect_timeout=timedelta(seconds=connect_limit),
    )
    async with Caller(settings, resolve=resolver, tls=tls) as caller:
        return await caller.post(url, headers, b'{"a":1}')


async def test_a_call_brings_the_body_and_the_headers(receiver: Receiver) -> None:
    assert await post(receiver.url("/hook?key=1")) == Answer(200, "")
    (request,) = receiver.received
    assert (request.method, request.target, request.body) == ("POST", "/hook?key=1", b'{"a":1}')
    assert request.headers["x-key"] == SECRET
    assert request.headers["host"] == f"{HOST}:{receiver.port}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_taken_as_received(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status)]
    assert await post(receiver.url()) == Answer(status, "")


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_any_other_answer_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status)]
    assert await post(receiver.url()) == Answer(status, f"answered {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.replies = [Reply(status, {"Location": receiver.url("/elsewhere")})]
    assert await post(receiver.url()) == Answer(status, f"answered {status}, and redirects are not followed")
    assert [request.target for request in receiver.received] == ["/hook"]


async def test_a_call_that_is_not_answered_ends(receiver: Receiver) -> None:
    receiver.replies = [Reply(after=asyncio.Event())]
    assert await post(receiver.url(), limit=0.3) == Answer(0, "no answer within 0.3 s")


async def test_a_name_that_is_resolved_too_slowly_counts_into_the_time_of_the_call() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    assert await post("http://receiver.test/", resolver=never, limit=0.1) == Answer(0, "no answer within 0.1 s")


async def test_a_port_that_nobody_listens_on_is_a_failure(receiver: Receiver) -> None:
    async with receiving() as gone:
        url = gone.url()
    assert await post(url) == Answer(0, "no connection: it was refused, or the host can't be reached")


async def test_an_answer_that_is_not_http_is_a_failure() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"220 smtp.example\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(babble, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await post(f"http://{HOST}:{port}/") == Answer(0, "the connection ended without an HTTP answer")


async def test_a_name_that_does_not_exist_is_a_failure() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    assert await post("http://receiver.test/", resolver=unknown) == Answer(0, "the host's name can't be resolved")


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/"])
async def test_this_machine_is_not_called(receiver: Receiver, url: str) -> None:
    answer = await post(url.format(port=receiver.port), private=False)
    assert answer == Answer(0, "the host has no address that this server calls")
    assert receiver.received == []


async def test_a_name_that_now_resolves_to_this_machine_is_not_called(receiver: Receiver) -> None:
    # The first answer is what a check at creation would have seen.
    resolver = names([PUBLIC], [HOST])
    assert await resolver("receiver.test", 80) == [PUBLIC]
    answer = await post(receiver.url(host="receiver.test"), private=False, resolver=resolver)
    assert answer == Answer(0, "the host has no address that this server calls")
    assert receiver.received == []


async def test_a_name_is_resolved_once_a_call_and_that_address_is_called(receiver: Receiver) -> None:
    asked: list[str] = []

    async def counting(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return [HOST]

    assert await post(receiver.url(host="receiver.test"), resolver=counting) == Answer(200, "")
    assert asked == ["receiver.test"]
    assert receiver.received[0].headers["host"] == f"receiver.test:{receiver.port}"


async def test_the_next_address_is_called_when_the_first_takes_no_connection(receiver: Receiver) -> None:
    assert await post(receiver.url(host="receiver.test"), resolver=names(["127.0.0.2", HOST])) == Answer(200, "")


async def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.setenv("no_proxy", "")
        assert await post(receiver.url()) == Answer(200, "")
        assert proxy.received == []


async def test_a_cookie_is_not_kept_for_the_next_call(receiver: Receiver) -> None:
    receiver.replies = [Reply(200, {"Set-Cookie": "a=b; Path=/"})]
    async with Caller(Settings(webhook_private_addresses=True)) as caller:
        for _ in range(2):
            await caller.post(receiver.url(), [], b"")
    assert all("cookie" not in request.headers for request in receiver.received)


async def test_the_values_of_headers_are_not_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await post(receiver.url()) == Answer(200, "")
    broken = await post(receiver.url(), headers=[("X-Key", f"{SECRET}\r\nX: y")])
    assert broken == Answer(0, "the request can't be sent")
    assert SECRET not in caplog.text


@pytest.fixture(scope="session")
async def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key for receiver.test."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=receiver.test"
    process = await asyncio.create_subprocess_exec(
        "openssl",
        *options.split(),
        *("-addext", "subjectAltName=DNS:receiver.test", "-out", str(files[0]), "-keyout", str(files[1])),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    return files


@pytest.fixture
async def tls_receiver(certificate: tuple[Path, Path]) -> AsyncIterator[Receiver]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with receiving(context) as made:
        yield made


@pytest.fixture
def trust(certificate: tuple[Path, Path]) -> Any:
    return ssl.create_default_context(cafile=str(certificate[0]))


async def test_a_certificate_is_verified_for_the_name_and_not_for_the_address(
    tls_receiver: Receiver, trust: ssl.SSLContext
) -> None:
    url = tls_receiver.url(scheme="https", host="receiver.test")
    assert await post(url, resolver=names([HOST]), tls=trust) == Answer(200, "")


async def test_a_certificate_of_another_name_is_a_failure(tls_receiver: Receiver, trust: ssl.SSLContext) -> None:
    answer = await post(tls_receiver.url(scheme="https", host="other.test"), resolver=names([HOST]), tls=trust)
    assert answer.error.startswith("no TLS connection")
    assert tls_receiver.received == []


async def test_a_certificate_that_nobody_vouches_for_is_a_failure(tls_receiver: Receiver) -> None:
    answer = await post(tls_receiver.url(scheme="https", host="receiver.test"), resolver=names([HOST]))
    assert answer.error.startswith("no TLS connection")
    assert tls_receiver.received == []
