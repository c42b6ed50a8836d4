"""Crons: runs that are created by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Unpack

from runwire.api.dispatch.v1 import crons_pb2 as pb
from runwire.api.dispatch.v1.crons_pb2_grpc import CronsServiceStub
from runwire.client.codec import decode, encode
from runwire.client.listing import Listing
from runwire.client.requests import new_id, request_of, run_request
from runwire.client.results import Cron
from runwire.client.wire import Wire
from runwire.client.words import RunOptions, RunRequest, SortOrder


class Crons:
    """Crons. Schedules have five fields, or six with seconds last; time zones are IANA names."""

    def __init__(self, wire: Wire, stub: CronsServiceStub) -> None:
        self._wire = wire
        self._stub = stub

    async def create(
        self,
        assistant_id: str,
        *,
        schedule: str,
        timezone: str = "",
        end_time: datetime | None = None,
        enabled: bool = True,
        cron_id: str | None = None,
        cron_metadata: Mapping[str, Any] | None = None,
        **run: Unpack[RunOptions],
    ) -> Cron:
        """Creates a cron; each tick runs on a thread of its own, which `on_completion` deletes or keeps.

        `timezone` "" is UTC. `cron_metadata` is the cron's, `metadata` its runs'.
        """
        return await self._create(
            schedule=schedule,
            time_zone=timezone,
            run=run_request(None, assistant_id, run),
            enabled=enabled,
            end_time=end_time,
            cron_id=cron_id or new_id(),
            metadata=cron_metadata,
        )

    async def create_for_thread(
        self,
        thread_id: str,
        assistant_id: str,
        *,
        schedule: str,
        timezone: str = "",
        end_time: datetime | None = None,
        enabled: bool = True,
        cron_id: str | None = None,
        cron_metadata: Mapping[str, Any] | None = None,
        **run: Unpack[RunOptions],
    ) -> Cron:
        """Creates a cron whose ticks run on this thread."""
        return await self._create(
            schedule=schedule,
            time_zone=timezone,
            run=run_request(thread_id, assistant_id, run),
            enabled=enabled,
            end_time=end_time,
            cron_id=cron_id or new_id(),
            metadata=cron_metadata,
        )

    async def get(self, cron_id: str) -> Cron:
        """One cron."""
        return decode(Cron, (await self._wire.unary(self._stub.GetCron, pb.GetCronRequest(cron_id=cron_id))).cron)

    async def update(
        self,
        cron_id: str,
        *,
        schedule: str | None = None,
        timezone: str | None = None,
        end_time: datetime | None = None,
        clear_end_time: bool = False,
        enabled: bool | None = None,
        cron_metadata: Mapping[str, Any] | None = None,
        run: RunRequest | None = None,
    ) -> Cron:
        """Changes a cron. `cron_metadata` is merged, `run` replaces the stored one: `{**cron.run, "input": ...}`."""
        request = encode(
            pb.UpdateCronRequest,
            cron_id=cron_id,
            schedule=schedule,
            time_zone=timezone,
            run=None if run is None else request_of(run),
            enabled=enabled,
            end_time=end_time,
            clear_end_time=clear_end_time,
            metadata=cron_metadata,
        )
        return decode(Cron, (await self._wire.unary(self._stub.UpdateCron, request)).cron)

    async def delete(self, cron_id: str) -> None:
        """Deletes a cron. Runs that it has created stay."""
        await self._wire.unary(self._stub.DeleteCron, pb.DeleteCronRequest(cron_id=cron_id))

    def search(
        self,
        *,
        assistant_id: str | None = None,
        thread_id: str | None = None,
        enabled: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = None,
        sort_by: Literal["create_time", "update_time", "next_tick_time"] = "create_time",
        sort_order: SortOrder = "descending",
    ) -> Listing[Cron]:
        """Crons of this assistant, on this thread, enabled or not, whose own metadata contains this object."""
        request = encode(
            pb.ListCronsRequest,
            filter=_filter(assistant_id, thread_id, enabled, metadata),
            sort_by=sort_by,
            order=sort_order,
        )
        return Listing[Cron](
            self._wire,
            self._stub.ListCrons,
            request,
            limit=limit,
        )

    async def count(
        self,
        *,
        assistant_id: str | None = None,
        thread_id: str | None = None,
        enabled: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> int:
        """How many `search` would find."""
        request = pb.CountCronsRequest(filter=_filter(assistant_id, thread_id, enabled, metadata))
        return (await self._wire.unary(self._stub.CountCrons, request)).count

    async def _create(self, **fields: Any) -> Cron:
        request = encode(pb.CreateCronRequest, **fields)
        return decode(Cron, (await self._wire.unary(self._stub.CreateCron, request)).cron)


def _filter(
    assistant_id: str | None, thread_id: str | None, enabled: bool | None, metadata: Mapping[str, Any] | None
) -> pb.CronFilter:
    return encode(
        pb.CronFilter, assistant_id=assistant_id, thread_id=thread_id, enabled=enabled, metadata_contains=metadata
    )
