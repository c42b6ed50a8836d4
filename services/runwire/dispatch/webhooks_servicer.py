"""The part of RunsService that is about webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import grpc

from runwire.api.dispatch.v1.runs_pb2 import (
    ListWebhookDeliveriesRequest,
    ListWebhookDeliveriesResponse,
    Webhook,
    WebhookDelivery,
    WebhookDeliveryState,
)
from runwire.api.dispatch.v1.runs_pb2_grpc import RunsServiceServicer
from runwire.core import paging
from runwire.core.checks import Checks
from runwire.core.identity import callers_tenant
from runwire.dispatch.runs_checks import moment_and_id
from runwire.dispatch.webhooks import Deliveries

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_PREFIX = "WEBHOOK_DELIVERY_STATE_"
_STATES: dict[str, Any] = {name.removeprefix(_PREFIX).lower(): number for name, number in WebhookDeliveryState.items()}
_WORDS = {number: word for word, number in _STATES.items() if number}


class WebhooksServicer(RunsServiceServicer):
    """Answers from `Deliveries`."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def ListWebhookDeliveries(
        self, request: ListWebhookDeliveriesRequest, context: Context
    ) -> ListWebhookDeliveriesResponse:
        """A page of deliveries, the newest first."""
        run_id, size, place = _check(request)
        state = _WORDS.get(request.state)
        rows = await self._deliveries.list_page(callers_tenant(), run_id, state, place, size + 1)
        return ListWebhookDeliveriesResponse(
            deliveries=map(_message, rows[:size]), next_page_token=_next_page(request, rows, size)
        )


def _check(request: ListWebhookDeliveriesRequest) -> tuple[UUID | None, int, tuple[datetime, UUID] | None]:
    checks = Checks()
    run_id = checks.uuid("run_id", request.run_id, required=False)
    checks.enum("state", WebhookDeliveryState, request.state)
    size, place = checks.page(request, key=datetime)
    after = moment_and_id(checks, place) if place is not None else None
    checks.done()
    return run_id, size, after


def _next_page(request: ListWebhookDeliveriesRequest, rows: list[asyncpg.Record], size: int) -> str:
    if len(rows) <= size:
        return ""
    last = rows[size - 1]
    return paging.encode(paging.Place(last["created_at"], str(last["delivery_id"])), paging.binding(request))


def _message(row: asyncpg.Record) -> WebhookDelivery:
    return WebhookDelivery(
        delivery_id=str(row["delivery_id"]),
        run_id=str(row["run_id"]),
        url=Webhook.FromString(row["webhook"]).url,
        state=_STATES[row["state"]],
        attempts=row["attempts"],
        last_http_status=row["last_http_status"],
        last_error=row["last_error"],
        create_time=row["created_at"],
        next_attempt_time=row["next_attempt_at"],
        delivery_time=row["settled_at"] if row["state"] == "delivered" else None,
    )
