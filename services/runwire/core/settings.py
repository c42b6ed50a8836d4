"""Settings of all processes, from RUNWIRE_* variables; DATABASE_URI and REDIS_URI are understood as well."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict


def _seconds(value: object) -> object:
    """A bare number means seconds; ISO 8601 durations work as well."""
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return timedelta(seconds=float(value))
    return value


Span = Annotated[timedelta, BeforeValidator(_seconds)]

# None that verifies with what signs.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_SCHEMES = {"database_uri": ("postgresql", "postgres"), "redis_uri": ("redis", "rediss", "unix")}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^][:@]*)(:[0-9]{0,5})?")

_WEBHOOK_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?")


class Settings(BaseSettings):
    """One object for all processes, so that they agree on what they share."""

    # Errors say which variable is wrong, and keep what it holds to themselves: there are secrets among them.
    model_config = SettingsConfigDict(
        env_prefix="RUNWIRE_", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    # They hold passwords. TLS is theirs to ask for: ?sslmode=verify-full&sslrootcert=…, rediss://.
    database_uri: str = Field(
        default="", repr=False, validation_alias=AliasChoices("RUNWIRE_DATABASE_URI", "DATABASE_URI")
    )
    redis_uri: str = Field(default="", repr=False, validation_alias=AliasChoices("RUNWIRE_REDIS_URI", "REDIS_URI"))
    redis_prefix: str = "runwire"
    postgres_pool: int = Field(default=10, ge=2, le=500, description="Postgres connections of one process, at most.")
    postgres_timeout: Span = Field(default=timedelta(seconds=10), description="Wait for a connection, at most.")
    statement_timeout: Span = Field(default=timedelta(seconds=30), description="Of one SQL statement.")

    host: str = "127.0.0.1"
    resource_port: int = Field(default=7401, ge=0, le=65535)
    dispatch_port: int = Field(default=7402, ge=0, le=65535)
    stream_port: int = Field(default=7403, ge=0, le=65535)
    worker_port: int = Field(default=7404, ge=0, le=65535)
    reflection: bool = Field(default=True, description="With authentication, it needs credentials as well.")
    max_message_bytes: int = Field(default=32 * 1024 * 1024, ge=1024 * 1024, description="Of one gRPC message.")
    call_timeout: Span = Field(default=timedelta(seconds=30), description="Of unary calls without a deadline.")
    shutdown_grace: Span = Field(default=timedelta(seconds=5), description="For calls in flight on SIGTERM.")
    log_level: str = "INFO"

    # Who is let in: see docs/access.md.
    api_keys_file: str = Field(default="", description="Hashes of API keys; `runwire keys new` adds one.")
    client_certificates_file: str = Field(default="", description="Which client certificate is who. Needs mTLS.")
    jwt_jwks: str = Field(default="", repr=False, description="File or https URL of the JWK set that signs tokens.")
    jwt_issuer: str = Field(default="", description="`iss` of tokens, to the letter.")
    jwt_audience: str = Field(default="", description="`aud` of tokens. Several, apart by spaces: one must be there.")
    jwt_algorithms: str = Field(default="RS256 ES256 EdDSA", description="Apart by spaces.")
    jwt_leeway: Span = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=timedelta(minutes=5),
        description="Between our clock and the issuer's.",
    )
    jwt_tenant_claim: str = Field(default="tenant", description="Empty: every token is of tenant `default`.")
    jwt_scopes_claim: str = Field(
        default="scope", description="A list, or a text with spaces. Empty: every token may do everything."
    )
    limits_file: str = Field(default="", description="TOML: what each tenant may have at most.")
    allow_anonymous: bool = Field(
        default=False, description="Listening beyond loopback without any authentication is refused otherwise."
    )
    stream_lifetime: Span = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=1),
        le=timedelta(days=7),
        description="With authentication or mTLS: then a stream's caller must call again, and show credentials again.",
    )
    custom_auth: bool = Field(default=False, description="Has the `auth` of langgraph.json asked, in a process apart.")
    custom_auth_tenant: str = Field(
        default="tenant",
        description="The user's field that names its tenant. Empty: every user is of tenant `default`.",
    )
    ignore_project_auth: bool = Field(
        default=False, description="A langgraph.json with an `auth` is refused otherwise, unless it is asked."
    )
    tls_certificate: str = Field(default="", description="PEM file with the chain; read again when it changes.")
    tls_key: str = Field(default="", description="PEM file, without a password.")
    tls_client_ca: str = Field(default="", description="PEM file: clients must have a certificate of this authority.")
    allow_plaintext: bool = Field(
        default=False, description="Authentication beyond loopback without TLS is refused otherwise."
    )

    graphs: Path = Field(default=Path("langgraph.json"), description="The langgraph.json whose graphs are served.")
    executors: int = Field(default_factory=lambda: min(4, os.cpu_count() or 1), ge=1, le=256)
    slots: int = Field(default=32, ge=1, le=10_000, description="Runs at once in one executor.")
    state_slots: int = Field(default=4, ge=1, le=1000, description="Thread state requests at once in one executor.")
    poll_interval: Span = Field(default=timedelta(seconds=2), description="Looks for work without a wake-up.")
    heartbeat_interval: Span = timedelta(seconds=2)
    lease: Span = Field(default=timedelta(seconds=10), description="A worker silent for this long is dead.")
    sweep_interval: Span = Field(default=timedelta(seconds=1.5), description="Between looks for dead workers.")
    expiry_interval: Span = Field(
        default=timedelta(minutes=1),
        description="Between looks for expired threads and items, unless langgraph.json says otherwise.",
    )
    run_timeout: Span = Field(default=timedelta(hours=1), description="Of one attempt, unless the run says otherwise.")
    cancel_grace: Span = Field(
        default=timedelta(seconds=10),
        description="For code that does not stop when cancelled; then it is killed.",
    )
    unresponsive_timeout: Span = Field(
        default=timedelta(minutes=15), description="An executor that does not answer for this long is killed."
    )
    drain_timeout: Span = Field(default=timedelta(seconds=30), description="For runs to end by themselves on SIGTERM.")
    max_attempts: int = Field(default=3, ge=1, le=3)
    retry_delay: Span = Field(default=timedelta(seconds=1), description="Before the second attempt; then doubled.")
    attempt_expiry: Span = Field(default=timedelta(hours=1), description="Of the attempt counter in Redis.")
    event_flush_interval: Span = Field(default=timedelta(seconds=0.2), description="Between writes of the event log.")
    event_retention: Span = Field(default=timedelta(days=7), description="Of a finished run's events.")
    event_buffer_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="Events not yet logged that an executor keeps, at most.",
    )
    reader_buffer_bytes: int = Field(
        default=1024 * 1024,
        ge=1024,
        description="Live events kept for a slow reader; beyond, it reads the log.",
    )

    webhook_secret: str = Field(
        default="",
        repr=False,
        description="Signs webhooks: whsec_ and base64. Several, apart by spaces: each signs. None: unsigned.",
    )
    webhook_private_addresses: bool = Field(
        default=False, description="Webhooks may call private, loopback and other addresses that are not public."
    )
    webhook_connect_timeout: Span = timedelta(seconds=5)
    webhook_timeout: Span = Field(default=timedelta(seconds=15), description="Of one webhook call, with everything.")
    webhook_attempts: int = Field(default=12, ge=1, le=15, description="Then a webhook is given up.")
    webhook_retry_delay: Span = Field(
        default=timedelta(seconds=10), description="After a webhook's first try; then 2.35 times longer each time."
    )
    webhook_slots: int = Field(default=32, ge=1, le=1000, description="Webhooks of one Dispatch under way at once.")
    webhook_retention: Span = Field(default=timedelta(days=7), description="Of webhooks delivered or given up.")

    @property
    def authenticates(self) -> bool:
        """Whether callers have to say who they are."""
        return bool(self.api_keys_file or self.client_certificates_file or self.jwt_jwks or self.custom_auth)

    @property
    def encrypts(self) -> bool:
        """Whether the servers speak TLS."""
        return bool(self.tls_certificate)

    def variables(self) -> dict[str, str]:
        """The settings as the variables that another process reads them from."""
        values = self.model_dump(mode="json")
        # What gRPC would do on a fork matters to nobody: every process is started by fork and exec.
        return {"GRPC_ENABLE_FORK_SUPPORT": "0"} | {f"RUNWIRE_{name.upper()}": str(v) for name, v in values.items()}

    @field_validator("database_uri", "redis_uri")
    @classmethod
    def _addresses_can_be_read(cls, value: str, info: ValidationInfo) -> str:
        # Left to the drivers, a password with a / or a # in it would be taken for a port, and repeated as a wrong one.
        scheme, _, rest = value.partition("://")
        hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
        schemes = _SCHEMES[info.field_name or ""]
        if value and (scheme not in schemes or not all(_HOST.fullmatch(host) for host in hosts.split(","))):
            example = f"{schemes[0]}://user:password@host:port/database"
            raise ValueError(f"must be like {example}, with / ? # @ : and % of a password in percent form")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _secrets_are_keys(cls, value: str) -> str:
        if not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in value.split()):
            raise ValueError("RUNWIRE_WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 bytes")
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _algorithms_are_asymmetric(cls, value: str) -> str:
        if not value.split() or not _ALGORITHMS.issuperset(value.split()):
            raise ValueError(f"RUNWIRE_JWT_ALGORITHMS must be some of {' '.join(sorted(_ALGORITHMS))}")
        return value

    @model_validator(mode="after")
    def _tokens_are_meant_for_us(self) -> Settings:
        if self.jwt_jwks and not (self.jwt_issuer and self.jwt_audience.split()):
            raise ValueError("RUNWIRE_JWT_JWKS needs RUNWIRE_JWT_ISSUER and RUNWIRE_JWT_AUDIENCE")
        if self.jwt_jwks and self.custom_auth:
            raise ValueError("RUNWIRE_JWT_JWKS and RUNWIRE_CUSTOM_AUTH exclude each other")
        if self.jwt_jwks.startswith(("http://", "https://")):
            _check_jwks_url(urlsplit(self.jwt_jwks))
        return self

    @model_validator(mode="after")
    def _tls_fits_together(self) -> Settings:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("RUNWIRE_TLS_CERTIFICATE and RUNWIRE_TLS_KEY go together")
        if self.tls_client_ca and not self.tls_certificate:
            raise ValueError("RUNWIRE_TLS_CLIENT_CA needs RUNWIRE_TLS_CERTIFICATE")
        if self.client_certificates_file and not self.tls_client_ca:
            raise ValueError("RUNWIRE_CLIENT_CERTIFICATES_FILE needs RUNWIRE_TLS_CLIENT_CA")
        return self

    @model_validator(mode="after")
    def _times_fit_together(self) -> Settings:
        if self.heartbeat_interval * 3 > self.lease:
            raise ValueError("RUNWIRE_LEASE must be at least three times RUNWIRE_HEARTBEAT_INTERVAL")
        return self


def _check_jwks_url(url: SplitResult) -> None:
    if not url.hostname or (url.scheme == "http" and not is_loopback(url.hostname)):
        raise ValueError("RUNWIRE_JWT_JWKS must be a file or an https URL")
    if "@" in url.netloc:
        raise ValueError("RUNWIRE_JWT_JWKS must be a URL without a user and a password")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def told(error: ValidationError) -> str:
    """What is wrong with the variables, a line each. What they hold is not shown."""
    return "\n".join(_sentence(str(e["loc"][0]) if e["loc"] else "", e["msg"]) for e in error.errors())


def _sentence(field: str, message: str) -> str:
    plain = message.removeprefix("Value error, ")
    return f"RUNWIRE_{field.upper().removeprefix('RUNWIRE_')}: {plain}." if field else f"{plain}."
