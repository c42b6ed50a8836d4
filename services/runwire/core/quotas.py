"""Refuses calls of a tenant that makes too many. What is counted here is counted by each process for itself."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import grpc

from runwire.core.errors import QuotaExceeded
from runwire.core.identity import callers_tenant
from runwire.core.interceptors import Context, abort, guarded, is_ours
from runwire.core.limits import TenantLimits

_STREAM_RETRY = timedelta(seconds=1)
_MOMENT = 0.001
_BUCKETS = 10_000


@dataclass(slots=True)
class Bucket:
    """Fills with `rate` a second, up to one second's worth. Who finds something in it may take more than there is."""

    level: float
    filled_at: float

    # From then on it is as good as a new one.
    full_at: float = 0

    def take(self, amount: float, rate: float, now: float) -> float:
        """0, or the seconds until there is something again."""
        self.level = min(rate, self.level + (now - self.filled_at) * rate)
        self.filled_at = now
        wait = 0.0
        if self.level <= 0:
            wait = -self.level / rate + _MOMENT
        else:
            self.level -= amount
        self.full_at = now + (rate - self.level) / rate
        return wait


class Quotas(grpc.aio.ServerInterceptor):
    """Stands between Access, which says who calls, and everything that works for the caller."""

    def __init__(self, limits: TenantLimits, patient: Collection[str] = ()) -> None:
        """Calls of `patient` methods stay open as streams do, and count as such."""
        self._limits = limits
        self._patient = patient
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._sweep_at = _BUCKETS
        self._streams: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handlers of our methods, which take bytes here."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not is_ours(method):
            return handler
        stays_open = handler.response_streaming or method in self._patient
        return guarded(handler, partial(self._counted, stays_open))

    @asynccontextmanager
    async def _counted(self, stays_open: bool, request: bytes, context: Context) -> AsyncIterator[None]:
        try:
            with self._admitted(callers_tenant(), len(request), stays_open=stays_open):
                yield
        except QuotaExceeded as refusal:
            await abort(context, refusal)

    @contextmanager
    def _admitted(self, tenant: str, size: int, *, stays_open: bool) -> Iterator[None]:
        limits = self._limits.of(tenant)
        if stays_open and limits.open_streams is not None and self._streams[tenant] >= limits.open_streams:
            raise QuotaExceeded("open_streams", _STREAM_RETRY)
        self._take(tenant, "requests_per_second", 1, limits.requests_per_second)
        self._take(tenant, "bytes_per_second", size, limits.bytes_per_second)
        if not stays_open:
            yield
            return
        self._streams[tenant] += 1
        try:
            yield
        finally:
            self._streams[tenant] -= 1
            if not self._streams[tenant]:
                del self._streams[tenant]

    def _take(self, tenant: str, limit: str, amount: float, rate: float | None) -> None:
        if rate is None:
            return
        now = time.monotonic()
        bucket = self._buckets.get((tenant, limit))
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._sweep(now)
            bucket = self._buckets[tenant, limit] = Bucket(rate, now)
        if wait := bucket.take(amount, rate, now):
            raise QuotaExceeded(limit, timedelta(seconds=wait))

    def _sweep(self, now: float) -> None:
        """Forgets the buckets of tenants that have not called for a while."""
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if bucket.full_at > now}
        self._sweep_at = max(_BUCKETS, 2 * len(self._buckets))
