"""Calls of clients, again and again until there is a definite answer, and what was acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import grpc.aio
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from runwire.api.dispatch.v1.crons_pb2_grpc import CronsServiceStub
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceStub
from runwire.api.dispatch.v1.thread_state_pb2_grpc import ThreadStateServiceStub
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.api.stream.v1.stream_pb2_grpc import StreamServiceStub
from runwire.core.ids import DEFAULT_TENANT
from tests.faults.history import History

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    # A black hole is noticed after some seconds, and a server that is back is found at once. More pings than one in ten
    # seconds are too many for servers.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.enable_retries", 0),
    # Channels to the same address would share a connection, and one reader's stall would be every reader's.
    ("grpc.use_local_subchannel_pool", 1),
]

_PARTS: Mapping[str, Mapping[str, Any]] = {
    "resource": {"threads": ThreadsServiceStub},
    "dispatch": {
        "runs": RunsServiceStub,
        "thread_state": ThreadStateServiceStub,
        "crons": CronsServiceStub,
    },
    "stream": {"stream": StreamServiceStub},
}

_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
}
"""Codes that a broken connection comes in."""

_OF_GRPC = ("Stream removed", "Received RST_STREAM", "RST_STREAM")
"""What INTERNAL and UNKNOWN say of a connection; anything else in these codes is a server's own answer."""


class Refused(Exception):
    """A definite answer that is not OK."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code().name
        self.reason = reason_of(error)
        self.fields = fields_of(error)
        self.details = error.details() or ""
        super().__init__(f"{self.code} {self.reason}: {error.details()}")


class Unknown(Exception):
    """No answer came: what was asked for may have been done or not."""


class Calls:
    """Stubs of all replicas. Each try goes to another one."""

    def __init__(
        self, stubs: Mapping[str, list[Any]], history: History, rng: random.Random, keys: Mapping[str, str], tenant: str
    ) -> None:
        """`keys` are the tenants' API keys, if any are asked for."""
        self._stubs = stubs
        self._keys = keys
        self.metadata = (("authorization", f"Bearer {keys[tenant]}"),) if tenant in keys else ()
        self.history = history
        self._rng = rng
        self.failures: Counter[str] = Counter()

    def by(self, tenant: str) -> Calls:
        """The same on behalf of another tenant."""
        return Calls(self._stubs, self.history, self._rng, self._keys, tenant)

    def one(self, service: str) -> Any:
        """The stub of some replica."""
        return self._rng.choice(self._stubs[service])

    async def definitely(self, service: str, method: str, request: Any, *, within: float = 90.0) -> Any:
        """The answer to a call that may be repeated. Refused; Unknown when there was none in all that time."""
        end = time.monotonic() + within
        tries = 0
        while True:
            tries += 1
            try:
                return await getattr(self.one(service), method)(
                    request, timeout=self._rng.uniform(3, 8), metadata=self.metadata
                )
            except grpc.aio.AioRpcError as error:
                if not self.is_passing(method, error):
                    raise Refused(error) from error
                if time.monotonic() > end:
                    raise Unknown(f"{method}: {error.code().name} {error.details()}") from error
            await asyncio.sleep(min(1.0, 0.1 * tries) * self._rng.uniform(0.5, 1))

    async def once(self, service: str, method: str, request: Any, *, timeout: float = 8.0) -> Any:
        """The answer to a call that must not be repeated. Refused; Unknown."""
        try:
            return await getattr(self.one(service), method)(request, timeout=timeout, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            if not self.is_passing(method, error):
                raise Refused(error) from error
            raise Unknown(f"{method}: {error.code().name}") from error

    def is_passing(self, method: str, error: grpc.aio.AioRpcError) -> bool:
        """Whether the call may be made again. Notes what servers should never say."""
        code, reason = error.code(), reason_of(error)
        self.failures[f"{code.name} {reason}".strip()] += 1
        details = error.details() or ""
        is_server_s = bool(reason) or not details.startswith(_OF_GRPC)
        if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN) and is_server_s:
            self.history.note("internal", method=method, reason=reason or code.name, text=details)
        return code in _PASSING


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The ErrorInfo's reason, "" where the answer is not a server's."""
    for detail in _details(error):
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields that BadRequest names."""
    for detail in _details(error):
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return [violation.field for violation in bad.field_violations]
    return []


def _details(error: grpc.aio.AioRpcError) -> list[Any]:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
    except ValueError:
        return []
    return list(status.details) if status is not None else []


@asynccontextmanager
async def calling(
    addresses: Mapping[str, str], history: History, rng: random.Random, keys: Mapping[str, str]
) -> AsyncIterator[Calls]:
    """Channels to members by name ("dispatch-2"), for calls of the default tenant."""
    stubs: dict[str, list[Any]] = {}
    async with AsyncExitStack() as stack:
        for name, address in addresses.items():
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, _OPTIONS))
            for service, stub in _PARTS[name.partition("-")[0]].items():
                stubs.setdefault(service, []).append(stub(channel))
        yield Calls(stubs, history, rng, keys, DEFAULT_TENANT)
