"""Tokens of an identity provider: which are taken, and what happens while its keys change or can't be had."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

import runwire.resource.__main__ as resource
from runwire.core.access import AccessError, jwks
from runwire.core.access.jwks import opened, read_keys
from runwire.core.access.tokens import Tokens, verifying
from runwire.core.errors import AuthenticationUnavailable
from runwire.core.identity import Identity
from runwire.core.settings import Settings
from tests.access.authorities import Authority, server_context
from tests.access.conftest import bearer, refused_on
from tests.access.issuer import AUDIENCE, ISSUER, Issuer, unsigned
from tests.contract.rpcs import all_rpcs
from tests.harness.waiting import until

[LIST_THREADS] = [rpc for rpc in all_rpcs() if rpc.name == "ListThreads"]


def asking(where: str, **fields: Any) -> Settings:
    return Settings(jwt_jwks=where, jwt_issuer=ISSUER, jwt_audience=f"other {AUDIENCE}", **fields)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """An issuer with a key of each kind."""
    made = Issuer()
    for kind in ("ES256", "RS256", "EdDSA"):
        made.add(kind, kind)
    return made


@pytest.fixture
async def tokens(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Tokens]:
    """What verifies tokens by a file with its keys."""
    file = tmp_path / "jwks.json"
    file.write_bytes(issuer.jwks())
    async with verifying(asking(str(file))) as made:
        yield made


@pytest.mark.parametrize("kind", ["ES256", "RS256", "EdDSA"])
async def test_a_token_is_its_claims_caller(issuer: Issuer, tokens: Tokens, kind: str) -> None:
    assert await tokens.identity(issuer.token(kind)) == Identity("acme", "user-1", frozenset({"threads:read"}))


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "runs:* openid *:read"}, {"runs:*", "*:read"}),
        ({"scope": ["runs:read", 7, "profile"]}, {"runs:read"}),
        ({"scope": None}, set()),
        ({"scope": {"runs:read": 1}}, set()),
        ({"aud": ["else", AUDIENCE]}, {"threads:read"}),
    ],
)
async def test_claims_say_what_the_bearer_may(
    issuer: Issuer, tokens: Tokens, claims: dict[str, Any], scopes: set[str]
) -> None:
    found = await tokens.identity(issuer.token("ES256", **claims))
    assert found is not None
    assert found.scopes == scopes


async def test_clocks_may_differ_a_little(issuer: Issuer, tokens: Tokens) -> None:
    found = [await tokens.identity(issuer.token("ES256", exp=time.time() - late)) for late in (10, 60)]
    assert [identity is not None for identity in found] == [True, False]


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": time.time() - 60},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": time.time() + 600},
        {"iss": "https://issuer.example"},
        {"iss": None},
        {"aud": "someone-else"},
        {"aud": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": "a/b"},
        {"tenant": "acme\n"},
        {"tenant": ["acme"]},
    ],
)
async def test_a_token_with_wrong_claims_is_nobodys(issuer: Issuer, tokens: Tokens, claims: dict[str, Any]) -> None:
    assert await tokens.identity(issuer.token("ES256", **claims)) is None


def _claims() -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "exp": time.time() + 60, "tenant": "acme", "scope": "*"}


def _with_secret(issuer: Issuer, secret: bytes, key_id: str) -> str:
    """Signed with HMAC by hand: the library refuses to use a public key as a secret."""
    head = unsigned(_claims(), alg="HS256", kid=key_id).rstrip(".")
    signature = hmac.digest(secret, head.encode(), hashlib.sha256)
    return f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


FORGERIES: dict[str, Callable[[Issuer], str]] = {
    "alg none": lambda issuer: unsigned(_claims(), alg="none", kid="ES256"),
    "alg None": lambda issuer: unsigned(_claims(), alg="None"),
    "no alg": lambda issuer: unsigned(_claims(), kid="ES256"),
    "an empty signature": lambda issuer: unsigned(_claims(), alg="ES256", kid="ES256"),
    "the public key as a shared secret": lambda issuer: _with_secret(issuer, issuer.public_pem("RS256"), "RS256"),
    "another key of the set": lambda issuer: issuer.token("ES256", header={"kid": "RS256"}),
    "a key that is not of the set": lambda issuer: _stranger().token("ES256"),
    "an unknown key id": lambda issuer: issuer.token("ES256", header={"kid": "nobody"}),
    "a key of its own": lambda issuer: _stranger().token("ES256", header={"jwk": {}, "jku": "http://127.0.0.1:1/"}),
    "other claims": lambda issuer: _with_other_claims(issuer.token("ES256")),
    "one part": lambda issuer: "nonsense",
    "nothing": lambda issuer: "",
    "dots": lambda issuer: "..",
    "deep JSON": lambda issuer: ".".join(
        [base64.urlsafe_b64encode(b"[" * 100_000).decode(), base64.urlsafe_b64encode(b"{}").decode(), "x"]
    ),
}


def _stranger() -> Issuer:
    made = Issuer()
    made.add("ES256")
    return made


def _with_other_claims(token: str) -> str:
    head, _, signature = token.split(".")
    body = base64.urlsafe_b64encode(json.dumps({**_claims(), "tenant": "other"}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_is_nobodys(issuer: Issuer, tokens: Tokens, forgery: str) -> None:
    assert await tokens.identity(FORGERIES[forgery](issuer)) is None


async def test_a_token_without_key_id_is_only_verified_where_there_is_one_key(tmp_path: Path) -> None:
    issuer, file = Issuer(), tmp_path / "jwks.json"
    issuer.add("one")
    file.write_bytes(issuer.jwks())
    token = jwt.encode(_claims(), issuer.keys["one"][1], algorithm="ES256")
    async with verifying(asking(str(file))) as tokens:
        assert await tokens.identity(token) is not None
        issuer.add("two")
        file.write_bytes(issuer.jwks())
        assert await tokens.identity(token) is None


async def test_tenant_and_scopes_may_be_those_of_every_token(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(issuer.jwks())
    token = issuer.token("ES256", tenant=None, scope=None, org="acme", roles=["runs:read"])
    async with verifying(asking(str(file), jwt_tenant_claim="", jwt_scopes_claim="")) as tokens:
        assert await tokens.identity(token) == Identity("default", "user-1", frozenset({"*"}))
    async with verifying(asking(str(file), jwt_tenant_claim="org", jwt_scopes_claim="roles")) as tokens:
        assert await tokens.identity(token) == Identity("acme", "user-1", frozenset({"runs:read"}))


async def test_an_algorithm_that_is_not_allowed_is_not_verified(issuer: Issuer, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(issuer.jwks())
    async with verifying(asking(str(file), jwt_algorithms="RS256 PS256")) as tokens:
        assert await tokens.identity(issuer.token("ES256")) is None
        assert await tokens.identity(issuer.token("RS256")) is not None


async def test_a_weak_key_verifies_nothing(tmp_path: Path) -> None:
    issuer, file = Issuer(), tmp_path / "jwks.json"
    issuer.keys["weak"] = ("RS256", rsa.generate_private_key(65537, 1024))
    file.write_bytes(issuer.jwks())
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = issuer.token("weak")
    async with verifying(asking(str(file))) as tokens:
        assert await tokens.identity(token) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"keys": []}', b'{"keys": {}}', b"[]", b'{"keys": [{"kty": "oct", "k": "U0VDUkVU", "kid": "a"}]}'],
)
def test_a_file_without_public_keys_is_an_error_at_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(content)
    with pytest.raises(AccessError) as caught:
        jwks.FileKeys(file)
    assert "U0VDUkVU" not in str(caught.value)


def test_keys_that_are_not_for_signatures_are_left_out(issuer: Issuer) -> None:
    content = json.loads(issuer.jwks())
    content["keys"][0]["use"] = "enc"
    content["keys"] += [{"kty": "quantum"}, 7]
    assert set(read_keys(json.dumps(content).encode())) == {"RS256", "EdDSA"}


ODD: dict[str, dict[str, Any]] = {
    "no algorithm at all": {"alg": "none"},
    "a list of algorithms": {"alg": ["ES256"]},
    "a number for an algorithm": {"alg": 5},
    "a symmetric algorithm": {"alg": "HS256", "k": "U0VDUkVU"},
    "a list of ids": {"kid": ["odd"]},
    "an object for an id": {"kid": {}},
    "no coordinates": {"x": None},
    "a point that is not on its curve": {"x": "A" * 43},
    "an unknown curve": {"crv": "P-1"},
    "a kind that is a list": {"kty": ["EC"]},
}


@pytest.mark.parametrize("odd", ODD)
async def test_a_key_that_is_not_understood_is_left_out_and_the_others_count(tmp_path: Path, odd: str) -> None:
    issuer, file = Issuer(), tmp_path / "jwks.json"
    issuer.add("good")
    content = json.loads(issuer.jwks())
    content["keys"].append({**content["keys"][0], "kid": "odd", **ODD[odd]})
    file.write_text(json.dumps(content))
    async with verifying(asking(str(file))) as tokens:
        assert await tokens.identity(issuer.token("good")) is not None
        assert await tokens.identity(issuer.token("good", header={"kid": "odd"})) is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"jwt_jwks": "f"}, "RUNWIRE_JWT_JWKS needs RUNWIRE_JWT_ISSUER and RUNWIRE_JWT_AUDIENCE"),
        ({"jwt_jwks": "f", "jwt_issuer": "i", "jwt_audience": " "}, "RUNWIRE_JWT_JWKS needs"),
        ({"jwt_jwks": "http://a.example/", "jwt_issuer": "i", "jwt_audience": "a"}, "must be a file or an https URL"),
        ({"jwt_jwks": "https://", "jwt_issuer": "i", "jwt_audience": "a"}, "must be a file or an https URL"),
        ({"jwt_jwks": "https://u:hidden@a/", "jwt_issuer": "i", "jwt_audience": "a"}, "without a user and a password"),
        ({"jwt_algorithms": "RS256 HS256"}, "RUNWIRE_JWT_ALGORITHMS must be some of"),
        ({"jwt_algorithms": "none"}, "RUNWIRE_JWT_ALGORITHMS must be some of"),
        ({"jwt_algorithms": ""}, "RUNWIRE_JWT_ALGORITHMS must be some of"),
    ],
)
def test_settings_that_would_take_others_tokens_are_refused(fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence) as caught:
        Settings.model_validate(fields)
    assert "hidden" not in str(caught.value)


class Clock:
    """Goes on by itself, and leaps."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
async def publisher() -> AsyncIterator[tuple[Issuer, str]]:
    """An issuer with one key, and the URL where it publishes it."""
    issuer = Issuer()
    issuer.add("old")
    async with issuer.published() as url:
        yield issuer, url


async def test_keys_are_fetched_once_for_all_who_wait(publisher: tuple[Issuer, str]) -> None:
    issuer, url = publisher
    issuer.may_answer.clear()
    async with verifying(asking(url)) as tokens:
        waiting = [asyncio.create_task(tokens.identity(issuer.token("old"))) for _ in range(20)]
        await asyncio.sleep(0)
        issuer.may_answer.set()
        assert None not in await asyncio.gather(*waiting)
        assert await tokens.identity(issuer.token("old")) is not None
    assert issuer.asked == 1


async def test_a_caller_that_goes_does_not_end_the_fetch_of_the_others(publisher: tuple[Issuer, str]) -> None:
    issuer, url = publisher
    issuer.may_answer.clear()
    async with verifying(asking(url)) as tokens:
        first, second = (asyncio.create_task(tokens.identity(issuer.token("old"))) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        issuer.may_answer.set()
        assert await second is not None


async def test_a_new_key_is_fetched_when_a_token_names_it(
    publisher: tuple[Issuer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, url = publisher
    monkeypatch.setattr(jwks, "_COOL_SECONDS", 0.0)
    async with verifying(asking(url)) as tokens:
        assert await tokens.identity(issuer.token("old")) is not None
        old = issuer.token("old")
        del issuer.keys["old"]
        issuer.add("new")
        assert await tokens.identity(issuer.token("new")) is not None
        assert await tokens.identity(old) is None, "it was withdrawn"


async def test_invented_key_ids_do_not_flood_the_issuer(publisher: tuple[Issuer, str]) -> None:
    issuer, url = publisher
    async with verifying(asking(url)) as tokens:
        for number in range(20):
            assert await tokens.identity(issuer.token("old", header={"kid": f"invented-{number}"})) is None
    assert issuer.asked == 1


async def test_an_outage_leaves_the_keys_in_force_for_a_while(
    publisher: tuple[Issuer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, url = publisher
    monkeypatch.setattr(jwks, "_COOL_SECONDS", 0.0)
    monkeypatch.setattr(jwks, "_FRESH_SECONDS", 0.0)
    async with verifying(asking(url)) as tokens:
        assert await tokens.identity(issuer.token("old")) is not None
        issuer.status = 503
        assert await tokens.identity(issuer.token("old")) is not None
        monkeypatch.setattr(jwks, "_USABLE_SECONDS", 0.0)
        with pytest.raises(AuthenticationUnavailable):
            await tokens.identity(issuer.token("old"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which keys grow old."""
    made = Clock()
    monkeypatch.setattr(jwks, "time", made)
    return made


async def test_a_key_that_was_withdrawn_while_nobody_called_is_not_used_again(
    publisher: tuple[Issuer, str], clock: Clock
) -> None:
    issuer, url = publisher
    old = issuer.token("old")
    async with verifying(asking(url)) as tokens:
        assert await tokens.identity(old) is not None
        del issuer.keys["old"]
        issuer.add("new")
        clock.passed += 301
        assert await asyncio.gather(*(tokens.identity(old) for _ in range(3))) == [None] * 3
    assert issuer.asked == 2


async def test_nobody_waits_where_keys_are_asked_for_again_before_they_are_old(
    publisher: tuple[Issuer, str], clock: Clock
) -> None:
    issuer, url = publisher

    async def asked_again() -> bool:
        return issuer.asked == 2

    async with verifying(asking(url)) as tokens:
        assert await tokens.identity(issuer.token("old")) is not None
        issuer.may_answer.clear()
        clock.passed += 250
        async with asyncio.timeout(1):
            assert await tokens.identity(issuer.token("old")) is not None
        await until(asked_again)
        issuer.may_answer.set()


async def test_nobody_waits_for_an_issuer_that_has_just_been_found_away(
    publisher: tuple[Issuer, str], clock: Clock
) -> None:
    issuer, url = publisher
    async with verifying(asking(url)) as tokens:
        assert await tokens.identity(issuer.token("old")) is not None
        issuer.status = 503
        clock.passed += 301
        assert await tokens.identity(issuer.token("old")) is not None
        issuer.may_answer.clear()
        clock.passed += 6
        async with asyncio.timeout(1):
            assert await tokens.identity(issuer.token("old")) is not None
        issuer.status = 200
        issuer.may_answer.set()


@pytest.mark.parametrize(
    ("status", "answer"), [(200, b"not JSON"), (200, b" " * 2_000_000), (302, b""), (500, b""), (200, b'{"keys": []}')]
)
async def test_an_issuer_that_gives_no_keys_is_said_to_be_away(
    publisher: tuple[Issuer, str], status: int, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    issuer, url = publisher
    issuer.status, issuer.answer = status, answer
    async with opened(url) as keys:
        with pytest.raises(AuthenticationUnavailable):
            await keys.key("old")
        with pytest.raises(AuthenticationUnavailable):
            await keys.key("old")
    assert issuer.asked == 1
    assert [getattr(record, "action", "") for record in caplog.records] == ["jwks_unavailable"]


async def test_an_issuer_that_does_not_answer_is_waited_for_no_longer_than_a_limit(
    publisher: tuple[Issuer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer, url = publisher
    issuer.may_answer.clear()
    monkeypatch.setattr(jwks, "_FETCH_SECONDS", 0.2)
    async with opened(url) as keys:
        with pytest.raises(AuthenticationUnavailable):
            await keys.key("old")
    issuer.may_answer.set()


async def test_the_log_names_the_issuers_host_and_not_what_else_its_url_holds(
    publisher: tuple[Issuer, str], caplog: pytest.LogCaptureFixture
) -> None:
    issuer, url = publisher
    settings = asking(f"{url}?token=hidden")
    assert "hidden" not in repr(settings)
    async with verifying(settings) as tokens:
        issuer.status = 503
        with pytest.raises(AuthenticationUnavailable):
            await tokens.identity(issuer.token("old"))
    said = [vars(record) for record in caplog.records if getattr(record, "action", "") == "jwks_unavailable"]
    assert [record["host"] for record in said] == ["localhost"]
    assert "hidden" not in str(said)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_an_issuer_is_believed_by_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    authority, other = Authority.new(tmp_path / "authority"), Authority.new(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str((authority if is_trusted else other).file))
    issuer = Issuer()
    issuer.add("old")
    async with issuer.published(server_context(authority)) as url, opened(url) as keys:
        if is_trusted:
            assert await keys.key("old") is not None
        else:
            with pytest.raises(AuthenticationUnavailable):
                await keys.key("old")


async def test_a_server_takes_tokens_and_shows_none(
    settings: Settings, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    async with issuer.published() as url:
        fields = {"jwt_jwks": url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        good, bad = issuer.token("ES256"), issuer.token("ES256", exp=1)
        few = issuer.token("RS256", scope="runs:read")
        with caplog.at_level(logging.DEBUG):
            async with (
                resource.running(settings.model_copy(update=fields)) as port,
                grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
            ):
                answers = [await refused_on(channel, LIST_THREADS, bearer(token), b"") for token in (good, bad, few)]
    assert [answer and answer.reason for answer in answers] == [None, "UNAUTHENTICATED", "PERMISSION_DENIED"]
    said = "\n".join(str(vars(record)) for record in caplog.records) + repr(answers)
    for token in (good, bad, few):
        assert token not in said
        assert token.split(".")[1] not in said


async def test_a_server_whose_issuer_is_away_says_so(settings: Settings, issuer: Issuer) -> None:
    issuer.status = 500
    async with issuer.published() as url:
        fields = {"jwt_jwks": url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        async with (
            resource.running(settings.model_copy(update=fields)) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            refused = await refused_on(channel, LIST_THREADS, bearer(issuer.token("ES256")), b"")
    issuer.status = 200
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAVAILABLE, "AUTHENTICATION_UNAVAILABLE")
