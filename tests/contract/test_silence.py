"""A Postgres that has gone silent: its connections stand, and nothing comes from it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import grpc
import pytest

from runwire.embedded import Servers
from runwire.stream import log, thread_log, wait
from tests.contract.documented import errors_of
from tests.contract.rpcs import all_rpcs
from tests.contract.scenarios.every_rpc import reaching
from tests.contract.scenarios.scenario import ask
from tests.harness.databases import proxied_database, system_settings
from tests.harness.in_process import serving
from tests.harness.platform import Platform
from tests.harness.proxy import Proxy
from tests.harness.refused import refusal
from tests.harness.waiting import until

_LIMIT = timedelta(seconds=0.5)


@dataclass(frozen=True, slots=True)
class Ground:
    """Servers, and what stands between them and their Postgres."""

    platform: Platform
    proxy: Proxy


@pytest.fixture
async def ground(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ground]:
    """Servers that wait half a second for anything."""
    for module in (log, thread_log, wait):
        monkeypatch.setattr(module, "_STATEMENT_SECONDS", _LIMIT.total_seconds())
    limits = {"call_timeout": _LIMIT, "postgres_timeout": _LIMIT, "statement_timeout": _LIMIT}
    async with (
        proxied_database(servers) as (uri, proxy),
        serving(system_settings(uri, servers.redis_uri, **limits)) as platform,
    ):
        yield Ground(platform, proxy)
        proxy.cut()


async def _answer(platform: Platform, rpc: str) -> str:
    try:
        await ask(platform, reaching(rpc))
    except grpc.aio.AioRpcError as error:
        return refusal(error).reason
    return "OK"


async def test_every_call_ends_as_documented(ground: Ground) -> None:
    ground.proxy.losing = True
    names = [rpc.name for rpc in all_rpcs()]
    answers = await asyncio.gather(*(_answer(ground.platform, rpc) for rpc in names))
    said = dict(zip(names, answers, strict=True))
    assert set(answers) <= {"DEADLINE_EXCEEDED", "DATABASE_UNAVAILABLE"}, said
    assert [rpc for rpc, reason in said.items() if reason not in errors_of(rpc).errors] == []


async def test_servers_take_new_connections_for_those_that_have_gone_silent(ground: Ground) -> None:
    ground.proxy.losing = True
    await asyncio.gather(*(_answer(ground.platform, "GetThread") for _ in range(20)))
    ground.proxy.losing = False

    async def answers() -> bool:
        return await _answer(ground.platform, "GetThread") == "THREAD_NOT_FOUND"

    await until(answers, within=10)
