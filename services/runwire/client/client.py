"""The clients, and how to get one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from types import EllipsisType, TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import grpc
import grpc.aio

from runwire.api.dispatch.v1.crons_pb2_grpc import CronsServiceStub
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceStub
from runwire.api.dispatch.v1.thread_state_pb2_grpc import ThreadStateServiceStub
from runwire.api.dispatch.v1.workers_pb2_grpc import WorkersServiceStub
from runwire.api.resource.v1.assistants_pb2_grpc import AssistantsServiceStub
from runwire.api.resource.v1.store_pb2_grpc import StoreServiceStub
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.client.assistants import Assistants
from runwire.client.blocking import SyncAssistants, SyncCrons, SyncRuns, SyncStore, SyncThreads, SyncWorkers
from runwire.client.credentials import Token, check_plaintext, token_of
from runwire.client.crons import Crons
from runwire.client.runs import Runs
from runwire.client.store import Store
from runwire.client.threads import Threads
from runwire.client.wire import AsyncWire, BlockingWire, Metadata, Wire
from runwire.client.workers import Workers

Headers: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]

RESOURCE = "127.0.0.1:7401"
DISPATCH = "127.0.0.1:7402"
STREAM = "127.0.0.1:7403"

# The client chooses the ids of what it creates, which makes these safe to repeat.
_REPEATABLE = [
    {"service": "runwire.api.dispatch.v1.RunsService", "method": "CreateRun"},
    {"service": "runwire.api.dispatch.v1.RunsService", "method": "BatchCreateRuns"},
    {"service": "runwire.api.dispatch.v1.CronsService", "method": "CreateCron"},
    {"service": "runwire.api.resource.v1.AssistantsService", "method": "CreateAssistant"},
    {"service": "runwire.api.resource.v1.ThreadsService", "method": "CreateThread"},
    {"service": "runwire.api.resource.v1.ThreadsService", "method": "CopyThread"},
]


class Client:
    """The asyncio client. Close it, or use it with `async with`."""

    def __init__(
        self,
        resource: grpc.aio.Channel,
        dispatch: grpc.aio.Channel,
        stream: grpc.aio.Channel,
        wire: AsyncWire | None = None,
    ) -> None:
        """On channels of your own, which may be one; `connect` makes them."""
        self._channels = (resource, dispatch, stream)
        self._wire = wire or AsyncWire()
        self.assistants, self.threads, self.runs, self.crons, self.store, self.workers = _parts(
            self._wire, *self._channels
        )

    def with_options(self, *, timeout: float | EllipsisType | None = ..., metadata: Headers | None = None) -> Client:
        """The same client, on the same connections, with another time-out (in seconds) or other metadata."""
        return Client(*self._channels, _changed(self._wire, timeout, metadata))

    async def close(self) -> None:
        """Closes the connections."""
        for channel in set(self._channels):
            await channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class SyncClient:
    """The synchronous client: the same methods, blocking. May be used by many threads at once."""

    def __init__(
        self, resource: grpc.Channel, dispatch: grpc.Channel, stream: grpc.Channel, wire: BlockingWire | None = None
    ) -> None:
        """On channels of your own, which may be one; `connect_sync` makes them."""
        self._channels = (resource, dispatch, stream)
        self._wire = wire or BlockingWire()
        assistants, threads, runs, crons, store, workers = _parts(self._wire, *self._channels)
        self.assistants = SyncAssistants(assistants)
        self.threads = SyncThreads(threads)
        self.runs = SyncRuns(runs)
        self.crons = SyncCrons(crons)
        self.store = SyncStore(store)
        self.workers = SyncWorkers(workers)

    def with_options(
        self, *, timeout: float | EllipsisType | None = ..., metadata: Headers | None = None
    ) -> SyncClient:
        """As `Client.with_options`."""
        return SyncClient(*self._channels, _changed(self._wire, timeout, metadata))

    def close(self) -> None:
        """Closes the connections."""
        for channel in set(self._channels):
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    address: str | None = None,
    *,
    resource: str = RESOURCE,
    dispatch: str = DISPATCH,
    stream: str = STREAM,
    api_key: str | None = None,
    token: Token | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    allow_plaintext: bool = False,
    metadata: Headers = (),
    timeout: float | None = 30.0,
) -> Client:
    """An asyncio client of the services at three addresses, or of all of them behind one `address`.

    `api_key`, or a `token` (or what gives one, asked before each call), says who calls. `credentials` turns on TLS, see
    `tls`; without it, ValueError keeps keys and tokens on this machine unless `allow_plaintext`. `metadata` goes with
    every call; `timeout` in seconds ends a call that is not a stream. Use it where the event loop runs.
    """
    addresses = [resource, dispatch, stream] if address is None else [address]
    shown = _shown(addresses, api_key, token, encrypted=credentials is not None or allow_plaintext)
    options = channel_options()
    channels = [
        grpc.aio.secure_channel(each, credentials, options) if credentials else grpc.aio.insecure_channel(each, options)
        for each in addresses
    ]
    return Client(*_three(channels), AsyncWire(timeout, _pairs(metadata), shown))


def connect_sync(
    address: str | None = None,
    *,
    resource: str = RESOURCE,
    dispatch: str = DISPATCH,
    stream: str = STREAM,
    api_key: str | None = None,
    token: str | Callable[[], str] | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    allow_plaintext: bool = False,
    metadata: Headers = (),
    timeout: float | None = 30.0,
) -> SyncClient:
    """A synchronous client; the arguments are those of `connect`."""
    addresses = [resource, dispatch, stream] if address is None else [address]
    shown = _shown(addresses, api_key, token, encrypted=credentials is not None or allow_plaintext)
    options = channel_options()
    channels = [
        grpc.secure_channel(each, credentials, options) if credentials else grpc.insecure_channel(each, options)
        for each in addresses
    ]
    return SyncClient(*_three(channels), BlockingWire(timeout, _pairs(metadata), shown))


def channel_options() -> list[tuple[str, Any]]:
    """For channels of your own: retries by the service config, large messages, dead connections found in 90 seconds."""
    return [
        ("grpc.service_config", json.dumps(service_config())),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # The first limit is for packets that nobody acknowledges, the second for pings that nobody answers: a stopped
        # process, or a proxy that has lost what is behind it, still acknowledges packets. It is no shorter, since on a
        # slow link an answer may lie behind a large message.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 60_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]


def service_config() -> dict[str, Any]:
    """The contract's retry policy, with what this client makes safe to repeat."""
    config: dict[str, Any] = json.loads(files(__package__).joinpath("service_config.json").read_text())
    repeated, once = config["methodConfig"]
    repeated["name"] += _REPEATABLE
    once["name"] = [name for name in once["name"] if name not in _REPEATABLE]
    return config


def _parts(
    wire: Wire, resource: Any, dispatch: Any, stream: Any
) -> tuple[Assistants, Threads, Runs, Crons, Store, Workers]:
    streams = StreamServiceStub(stream)
    return (
        Assistants(wire, AssistantsServiceStub(resource)),
        Threads(wire, ThreadsServiceStub(resource), ThreadStateServiceStub(dispatch), streams),
        Runs(wire, RunsServiceStub(dispatch), streams),
        Crons(wire, CronsServiceStub(dispatch)),
        Store(wire, StoreServiceStub(resource)),
        Workers(wire, WorkersServiceStub(dispatch)),
    )


def _shown(addresses: Sequence[str], api_key: str | None, token: Token | None, *, encrypted: bool) -> Token | None:
    shown = token_of(api_key, token)
    if shown is not None:
        check_plaintext(addresses, allowed=encrypted)
    return shown


_Wire = TypeVar("_Wire", bound=Wire)
_Channel = TypeVar("_Channel")


def _changed(wire: _Wire, timeout: float | EllipsisType | None, metadata: Headers | None) -> _Wire:
    return replace(
        wire,
        timeout=wire.timeout if timeout is ... else timeout,
        metadata=wire.metadata if metadata is None else _pairs(metadata),
    )


def _pairs(metadata: Headers) -> Metadata:
    return tuple(metadata.items() if isinstance(metadata, Mapping) else metadata)


def _three(channels: list[_Channel]) -> tuple[_Channel, _Channel, _Channel]:
    return channels[0], channels[len(channels) // 2], channels[-1]
