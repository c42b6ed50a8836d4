"""A gRPC server with health and reflection, built the same way in every process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from runwire.core.access.authentication import authentication
from runwire.core.access.exposure import check_exposure
from runwire.core.access.interceptor import Access
from runwire.core.access.project import check_project
from runwire.core.interceptors import Refusals
from runwire.core.limits import TenantLimits
from runwire.core.quotas import Quotas
from runwire.core.settings import Settings

_log = logging.getLogger(__name__)

Register = Callable[[grpc.aio.Server], None]

# A caller from whom nothing comes for a while, and then no answer to a ping, is lost: what it has open is ended.
_KEEPALIVE_MS = 30_000
_KEEPALIVE_TIMEOUT_MS = 10_000
_PING_TIMEOUT_MS = 60_000

_READY_CHECK_SECONDS = 2.0
_NOT_READY_CHECK_SECONDS = 0.1


@asynccontextmanager
async def serving(
    settings: Settings,
    port: int,
    services: Sequence[tuple[str, Register]],
    ready: Callable[[], Awaitable[bool]],
    *,
    patient: Collection[str] = (),
    inner: Sequence[grpc.aio.ServerInterceptor] = (),
) -> AsyncIterator[int]:
    """Serves until the block ends; the value is the bound port (`port` 0 takes a free one).

    `services` are full names with what registers each; health says SERVING for each while `ready()` is true, and for ""
    while the process lives. Methods in `patient` have no default deadline; `inner` comes inside of what turns refusals
    into statuses. At the end calls in flight get `settings.shutdown_grace`. Raises AccessError when the settings would
    let in whom they should not.
    """
    check_project(settings)
    check_exposure(settings)
    names = [name for name, _ in services]
    checks = health.aio.HealthServicer()
    async with authentication(settings) as known:
        refusals = Refusals(settings.call_timeout.total_seconds(), patient)
        quotas = Quotas(TenantLimits.of_settings(settings), patient)
        server = _server(settings, [Access(known), quotas, refusals, *inner])
        for _, register in services:
            register(server)
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        if settings.reflection:
            reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        bound = _listen(server, settings, port)
        await server.start()
        watcher = asyncio.create_task(_watch(checks, names, ready), name="health")
        _log.info("serving", extra={"action": "serving", "port": bound, "services": names})
        try:
            yield bound
        finally:
            watcher.cancel()
            # Whatever has become of it, the calls in flight get their grace.
            await asyncio.wait([watcher])
            await checks.enter_graceful_shutdown()
            await server.stop(settings.shutdown_grace.total_seconds())


def _server(settings: Settings, interceptors: Sequence[grpc.aio.ServerInterceptor]) -> grpc.aio.Server:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        # The first limit is for packets that nobody acknowledges, the second for pings that nobody answers. That one is
        # no shorter, since on a slow link an answer may lie behind a large message.
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", _PING_TIMEOUT_MS),
        ("grpc.so_reuseport", 0),
    ]
    if settings.tls_client_ca:
        # Certificates are verified when a connection is made. What is open by then may come to its end, as streams do.
        options.append(("grpc.max_connection_age_ms", settings.stream_lifetime // timedelta(milliseconds=1)))
    return grpc.aio.server(interceptors=interceptors, options=options)


def _listen(server: grpc.aio.Server, settings: Settings, port: int) -> int:
    bare = settings.host.strip("[]")
    address = f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"
    if not settings.encrypts:
        return server.add_insecure_port(address)
    # Not earlier: only TLS needs it, and the import costs a tenth of a start.
    from runwire.core.access.tls import server_credentials

    return server.add_secure_port(address, server_credentials(settings))


async def _watch(checks: health.aio.HealthServicer, names: Sequence[str], ready: Callable[[], Awaitable[bool]]) -> None:
    status = health_pb2.HealthCheckResponse
    failure: type[Exception] | None = None
    while True:
        is_ready, before, failure = False, failure, None
        try:
            async with asyncio.timeout(_READY_CHECK_SECONDS):
                is_ready = await ready()
        except TimeoutError:
            pass
        except Exception as error:
            failure = type(error)
            if failure is not before:
                _log.error("readiness can't be told", exc_info=error, extra={"action": "ready_failed"})
        for name in names:
            await checks.set(name, status.SERVING if is_ready else status.NOT_SERVING)
        await asyncio.sleep(_READY_CHECK_SECONDS if is_ready else _NOT_READY_CHECK_SECONDS)
