"""CronsService."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc

from runwire.api.dispatch.v1.crons_pb2 import (
    CountCronsRequest,
    CountCronsResponse,
    CreateCronRequest,
    CreateCronResponse,
    DeleteCronRequest,
    DeleteCronResponse,
    GetCronRequest,
    GetCronResponse,
    ListCronsRequest,
    ListCronsResponse,
    UpdateCronRequest,
    UpdateCronResponse,
)
from runwire.api.dispatch.v1.crons_pb2_grpc import CronsServiceServicer
from runwire.core.identity import callers_tenant
from runwire.dispatch import cron_requests
from runwire.dispatch.crons import Crons

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class CronsServicer(CronsServiceServicer):
    """Checks requests and answers them from `Crons`."""

    def __init__(self, crons: Crons, private_webhooks: bool = False) -> None:
        self._crons = crons
        self._private_webhooks = private_webhooks

    async def CreateCron(self, request: CreateCronRequest, context: Context) -> CreateCronResponse:
        """Stores a cron; idempotent by its id."""
        order = cron_requests.check_create(request, private_webhooks=self._private_webhooks)
        return CreateCronResponse(cron=await self._crons.create(callers_tenant(), order))

    async def GetCron(self, request: GetCronRequest, context: Context) -> GetCronResponse:
        """One cron."""
        cron_id = cron_requests.check_id(request.cron_id)
        return GetCronResponse(cron=await self._crons.get(callers_tenant(), cron_id))

    async def ListCrons(self, request: ListCronsRequest, context: Context) -> ListCronsResponse:
        """A page of crons."""
        wanted = cron_requests.check_list(request)
        page = await self._crons.page(callers_tenant(), wanted)
        return ListCronsResponse(crons=page.messages, next_page_token=page.next_page_token)

    async def CountCrons(self, request: CountCronsRequest, context: Context) -> CountCronsResponse:
        """How many crons."""
        where = cron_requests.check_count(request)
        return CountCronsResponse(count=await self._crons.count(callers_tenant(), where))

    async def UpdateCron(self, request: UpdateCronRequest, context: Context) -> UpdateCronResponse:
        """Changes what is set in the request."""
        change = cron_requests.check_update(request, private_webhooks=self._private_webhooks)
        return UpdateCronResponse(cron=await self._crons.update(callers_tenant(), change))

    async def DeleteCron(self, request: DeleteCronRequest, context: Context) -> DeleteCronResponse:
        """Deletes a cron; its runs stay."""
        cron_id = cron_requests.check_id(request.cron_id)
        await self._crons.delete(callers_tenant(), cron_id)
        return DeleteCronResponse()
