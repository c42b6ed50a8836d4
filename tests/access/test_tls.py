"""TLS and mTLS: who can talk to the servers, and who they then are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from pydantic import ValidationError

import runwire.resource.__main__ as resource
from runwire.cli import stack
from runwire.client import connect, tls
from runwire.core.access import AccessError
from runwire.core.access.certificates import Certificates
from runwire.core.access.tls import server_credentials
from runwire.core.identity import Identity
from runwire.core.scopes import scope_of
from runwire.core.settings import Settings
from runwire.embedded import Servers
from tests.access.authorities import Authority, lines
from tests.access.conftest import SCOPES, Guarded, bearer, bytes_call, keys_file, refused_on
from tests.contract.rpcs import Rpc, all_rpcs
from tests.harness.databases import fresh_database, system_settings
from tests.harness.in_process import serving
from tests.harness.refused import Refused
from tests.harness.waiting import until

every_rpc = pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)
[LIST_THREADS] = [rpc for rpc in all_rpcs() if rpc.name == "ListThreads"]


class Mutual:
    """Services that ask for certificates of their authority."""

    def __init__(self, guarded: Guarded, authority: Authority) -> None:
        self.guarded = guarded
        self.authority = authority
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    def certificate(self, name: str) -> tuple[Path, Path]:
        """The files of a certificate with this DNS name and of its key."""
        plain = name.replace(":", "-").replace("*", "all")
        return self.authority.issue(plain, f"{plain}.example")

    async def refused(self, rpc: Rpc, name: str, request: bytes, metadata: Any = ()) -> Refused | None:
        """How a caller with this certificate is refused."""
        if (rpc.process, name) not in self._channels:
            credentials = self.authority.credentials(self.certificate(name))
            made = grpc.aio.secure_channel(self.guarded.addresses[rpc.process], credentials)
            self._channels[rpc.process, name] = made
        return await refused_on(self._channels[rpc.process, name], rpc, metadata, request)

    async def close(self) -> None:
        """Closes the connections."""
        for channel in self._channels.values():
            await channel.close()


@pytest.fixture(scope="module")
async def mutual(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mutual]:
    """Resource, Dispatch and Stream with mTLS; each scope has a certificate."""
    folder = tmp_path_factory.mktemp("mutual")
    authority = Authority.new(folder / "authority")
    who = folder / "certificates.jsonl"
    who.write_text(
        lines(
            *(
                {"dns": f"{s.replace(':', '-')}.example", "tenant": "acme", "subject": s, "scopes": [s]}
                for s in (*SCOPES, "*:*")
            )
        ).replace("*-*.example", "all-all.example")
    )
    keys = keys_file(folder / "keys.jsonl", {"*": ["*"], "store:read": ["store:read"]})
    async with fresh_database(servers) as uri:
        settings = system_settings(
            uri,
            servers.redis_uri,
            api_keys_file=str(folder / "keys.jsonl"),
            tls_client_ca=str(authority.file),
            client_certificates_file=str(who),
            **authority.server(),
        )
        async with serving(settings) as platform:
            made = Mutual(Guarded(platform.addresses, keys, folder / "keys.jsonl"), authority)
            yield made
            await made.close()


@every_rpc
async def test_a_certificate_that_is_nobodys_is_refused_before_the_request_is_parsed(mutual: Mutual, rpc: Rpc) -> None:
    refused = await mutual.refused(rpc, "stranger", b"\xff\xff\xff")
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


@every_rpc
async def test_a_certificate_has_the_scopes_of_its_line(mutual: Mutual, rpc: Rpc) -> None:
    scope = scope_of(rpc.path)
    other = next(each for each in SCOPES if each != scope)
    refused = await mutual.refused(rpc, other, b"\xff\xff\xff")
    assert refused is not None
    assert (refused.reason, refused.metadata) == ("PERMISSION_DENIED", {"scope": scope})
    allowed = await mutual.refused(rpc, scope, b"")
    assert allowed is None or allowed.code == grpc.StatusCode.INVALID_ARGUMENT, allowed


async def test_a_key_counts_before_the_certificate(mutual: Mutual) -> None:
    keys = mutual.guarded.keys
    assert await mutual.refused(LIST_THREADS, "stranger", b"", bearer(keys["*"])) is None
    for metadata, reason in (
        (bearer(keys["store:read"]), "PERMISSION_DENIED"),
        (bearer(keys["*"] + "x"), "UNAUTHENTICATED"),
    ):
        refused = await mutual.refused(LIST_THREADS, "*:*", b"", metadata)
        assert refused is not None
        assert refused.reason == reason


@pytest.mark.parametrize("path", ["/runwire.api.dispatch.v1.RunsService/Nothing", "/runwire.x.v9.NewService/GetIt"])
async def test_methods_that_do_not_exist_ask_for_a_certificate_too(mutual: Mutual, path: str) -> None:
    codes = []
    for name in ("stranger", "store:read", "*:*"):
        credentials = mutual.authority.credentials(mutual.certificate(name))
        async with grpc.aio.secure_channel(mutual.guarded.addresses["dispatch"], credentials) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await bytes_call(channel.unary_unary, path)(b"")
            codes.append(caught.value.code().name)
    assert codes == ["UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"]


async def test_a_bug_of_certificates_lets_nobody_in_and_shows_nothing(
    mutual: Mutual, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, properties: object) -> None:
        raise RuntimeError(f"what the connection showed: {properties}")

    monkeypatch.setattr(Certificates, "identity", broken)
    refused = await mutual.refused(LIST_THREADS, "*:*", b"")
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "showed" not in refused.message


async def test_health_needs_any_certificate_and_reflection_a_known_one(mutual: Mutual) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    codes = []
    for name in ("stranger", "workers:read"):
        credentials = mutual.authority.credentials(mutual.certificate(name))
        async with grpc.aio.secure_channel(mutual.guarded.addresses["stream"], credentials) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
            call = stub.ServerReflectionInfo(iter([asked]))
            with suppress(grpc.aio.AioRpcError):
                assert [answer async for answer in call]
            codes.append(await call.code())
    assert codes == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.OK]


@pytest.mark.parametrize("how", ["plaintext", "no certificate", "a certificate of another authority", "no trust"])
async def test_connections_that_are_not_mutual_are_not_made(mutual: Mutual, tmp_path: Path, how: str) -> None:
    other = Authority.new(tmp_path)
    certificate, key = other.issue("c", "all-all.example")
    credentials = {
        "no certificate": mutual.authority.credentials(),
        "a certificate of another authority": tls(ca=mutual.authority.file, certificate=certificate, key=key),
        "no trust": other.credentials(mutual.certificate("*:*")),
    }.get(how)
    address = mutual.guarded.addresses["resource"]
    made = grpc.aio.secure_channel(address, credentials) if credentials else grpc.aio.insecure_channel(address)
    async with made as channel:
        refused = await refused_on(channel, LIST_THREADS, bearer(mutual.guarded.keys["*"]), b"")
    assert refused is not None
    assert refused.code == grpc.StatusCode.UNAVAILABLE


def asking(authority: Authority, folder: Path) -> dict[str, Any]:
    """Settings of servers that know the caller `me.example` by its certificate."""
    known = folder / "certificates.jsonl"
    known.write_text(lines(who(dns="me.example")))
    return {
        **authority.server(),
        "tls_client_ca": str(authority.file),
        "client_certificates_file": str(known),
    }


async def code_of_a_call(channel: grpc.aio.Channel) -> str:
    refused = await refused_on(channel, LIST_THREADS, request=b"")
    return refused.code.name if refused else "OK"


async def test_a_certificate_that_expires_is_refused_on_the_connection_that_it_opened(
    settings: Settings, tmp_path: Path
) -> None:
    authority = Authority.new(tmp_path / "authority")
    until_soon = datetime.now(UTC) + timedelta(seconds=3)
    credentials = authority.credentials(authority.issue("me", "me.example", until=until_soon))
    async with (
        resource.running(settings.model_copy(update=asking(authority, tmp_path))) as port,
        grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel,
    ):
        assert await code_of_a_call(channel) == "OK"

        async def is_refused() -> bool:
            return await code_of_a_call(channel) == "UNAUTHENTICATED"

        await until(is_refused)


async def test_a_connection_that_a_former_authority_allowed_takes_calls_for_the_lifetime_of_a_stream_at_most(
    settings: Settings, tmp_path: Path
) -> None:
    authority, next_one = Authority.new(tmp_path / "authority"), Authority.new(tmp_path / "next")
    fields = {**asking(authority, tmp_path), "stream_lifetime": timedelta(seconds=0.2)}
    credentials = authority.credentials(authority.issue("me", "me.example"))
    async with (
        resource.running(settings.model_copy(update=fields)) as port,
        grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel,
    ):
        for _ in range(100):
            assert await code_of_a_call(channel) == "OK", "a connection that is replaced costs no call"
        authority.file.write_bytes(next_one.file.read_bytes())

        async def is_refused() -> bool:
            return await code_of_a_call(channel) == "UNAVAILABLE"

        await until(is_refused)


async def test_a_replaced_certificate_is_used_by_new_connections(settings: Settings, tmp_path: Path) -> None:
    before, after = Authority.new(tmp_path / "before"), Authority.new(tmp_path / "after")
    files = before.server()
    async with (
        resource.running(settings.model_copy(update=files)) as port,
        connect(f"localhost:{port}", credentials=before.credentials()) as client,
    ):
        assert await client.threads.count() == 0
        for name, replacement in after.server().items():
            Path(files[name]).write_bytes(Path(replacement).read_bytes())
        async with connect(f"localhost:{port}", credentials=after.credentials()) as newcomer:
            assert await newcomer.threads.count() == 0
        assert await client.threads.count() == 0


async def test_a_replacement_that_does_not_fit_leaves_the_old_certificate(settings: Settings, tmp_path: Path) -> None:
    authority, other = Authority.new(tmp_path / "a"), Authority.new(tmp_path / "b")
    files = authority.server()
    async with resource.running(settings.model_copy(update=files)) as port:
        Path(files["tls_key"]).write_bytes(Path(other.server()["tls_key"]).read_bytes())
        async with connect(f"localhost:{port}", credentials=authority.credentials()) as client:
            assert await client.threads.count() == 0


def test_a_key_of_another_certificate_is_an_error_at_the_start(tmp_path: Path) -> None:
    files = Authority.new(tmp_path / "a").server() | {"tls_key": Authority.new(tmp_path / "b").server()["tls_key"]}
    with pytest.raises(AccessError, match="the key is not that of the certificate"):
        server_credentials(Settings.model_validate(files))


@pytest.mark.parametrize("part", ["tls_certificate", "tls_key", "tls_client_ca"])
@pytest.mark.parametrize("content", [b"SECRET", b"", None])
def test_files_that_are_no_certificates_are_an_error_at_the_start(
    tmp_path: Path, part: str, content: bytes | None
) -> None:
    authority = Authority.new(tmp_path)
    files = {**authority.server(), "tls_client_ca": str(authority.file)}
    files[part] = str(tmp_path / "wrong.pem")
    if content is not None:
        Path(files[part]).write_bytes(content)
    with pytest.raises(AccessError) as caught:
        server_credentials(Settings.model_validate(files))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tls_certificate": "x"}, "RUNWIRE_TLS_CERTIFICATE and RUNWIRE_TLS_KEY go together"),
        ({"tls_key": "x"}, "RUNWIRE_TLS_CERTIFICATE and RUNWIRE_TLS_KEY go together"),
        ({"tls_client_ca": "x"}, "RUNWIRE_TLS_CLIENT_CA needs RUNWIRE_TLS_CERTIFICATE"),
        ({"client_certificates_file": "x"}, "RUNWIRE_CLIENT_CERTIFICATES_FILE needs RUNWIRE_TLS_CLIENT_CA"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Settings.model_validate(fields)


def who(**name: str) -> dict[str, Any]:
    return {**name, "tenant": "acme", "subject": next(iter(name.values())), "scopes": ["*"]}


def test_each_kind_of_name_is_told_from_the_others(tmp_path: Path) -> None:
    file = tmp_path / "certificates.jsonl"
    file.write_text(lines(who(uri="spiffe://a/b"), who(dns="a.example"), who(email="a@b.example"), who(cn="a")))
    known = Certificates(file)
    certificate, _ = Authority.new(tmp_path).issue("any", "any.example")
    shown = {"x509_pem_cert": [certificate.read_bytes()]}
    for key, name in (
        ("peer_uri", "spiffe://a/b"),
        ("peer_dns", "a.example"),
        ("peer_email", "a@b.example"),
        ("x509_common_name", "a"),
    ):
        assert known.identity({**shown, key: [name.encode()]}) == Identity("acme", name, frozenset({"*"}))
        assert known.identity({**shown, "peer_ip": [name.encode()], "x509_subject": [name.encode()]}) is None
    assert known.identity({**shown, "peer_dns": [b"spiffe://a/b", b"a", b"A.EXAMPLE"]}) is None
    assert known.identity({**shown, "peer_dns": [b"a.example"], "x509_common_name": [b"a"]}) is None, (
        "it is of two callers"
    )
    assert known.identity({"peer_dns": [b"a.example"]}) is None, "there is no certificate"


@pytest.mark.parametrize(
    "content",
    [
        lines(who(dns="a", cn="a")),
        lines({"tenant": "a", "subject": "a", "scopes": ["*"]}),
        lines(who(cn="a"), who(cn="a")),
    ],
)
def test_a_line_names_one_certificate_and_none_twice(tmp_path: Path, content: str) -> None:
    file = tmp_path / "certificates.jsonl"
    file.write_text(content)
    with pytest.raises(AccessError, match=r"exactly one of uri, dns, email and cn|two lines have the same name"):
        Certificates(file)


_ONE_GRAPH = """
from langgraph.graph import StateGraph

graph = StateGraph(dict).add_node("node", lambda state: state).set_entry_point("node").compile()
"""


async def test_a_workers_health_speaks_tls_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = tmp_path / "langgraph.json"
    graphs.write_text('{"graphs": {"one": "./one.py:graph"}}')
    (tmp_path / "one.py").write_text(_ONE_GRAPH)
    authority = Authority.new(tmp_path / "authority")
    certificate, key = authority.issue("caller", "caller.example")
    monkeypatch.setenv("RUNWIRE_CALLER_CA", str(authority.file))
    monkeypatch.setenv("RUNWIRE_CALLER_CERTIFICATE", str(certificate))
    monkeypatch.setenv("RUNWIRE_CALLER_KEY", str(key))
    mutual = {**authority.server(), "tls_client_ca": str(authority.file), "graphs": graphs}
    encrypted = settings.model_copy(update=mutual)
    async with stack.running(encrypted, log_dir=tmp_path, processes=["worker"]) as started:
        address = started.address("worker")
        async with grpc.aio.insecure_channel(address) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await health.Check(health_pb2.HealthCheckRequest())
