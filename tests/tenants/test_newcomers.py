"""A tenant that nobody has heard of has default assistants at its first call, and they are its own."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import pytest

from runwire.api.resource.v1.assistants_pb2 import (
    DeleteAssistantRequest,
    GetAssistantRequest,
    ListAssistantsRequest,
    UpdateAssistantRequest,
)
from runwire.core import newcomers
from runwire.core.identity import Identity, identify
from runwire.core.ids import default_assistant_id
from runwire.core.postgres import Pool
from tests.harness.platform import output
from tests.tenants.conftest import Tenants


async def test_a_new_tenant_runs_a_graph_by_its_name(tenants: Tenants) -> None:
    assert output(await tenants.b.run("echo", {"text": "b"}))


async def test_default_assistants_are_each_tenants_own(tenants: Tenants) -> None:
    listed = (await tenants.a.assistants.ListAssistants(ListAssistantsRequest(page_size=1000))).assistants
    registered = await tenants.pool.fetch("SELECT assistant_id FROM assistants WHERE tenant = 'default' AND is_default")
    assert registered
    assert {a.assistant_id for a in listed if a.is_default} == {row["assistant_id"] for row in registered}
    update = UpdateAssistantRequest(assistant_id=default_assistant_id("echo"), name="changed")
    await tenants.a.assistants.UpdateAssistant(update)
    name = GetAssistantRequest(assistant_id="echo")
    assert (await tenants.a.assistants.GetAssistant(name)).assistant.name == "changed"
    theirs = (await tenants.b.assistants.GetAssistant(name)).assistant
    assert (theirs.name, theirs.version, theirs.is_default) == ("echo", 1, True)
    assert "changed" not in {
        a.name for a in (await tenants.b.assistants.ListAssistants(ListAssistantsRequest())).assistants
    }


async def test_a_default_assistant_can_not_be_deleted(tenants: Tenants) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="default of its graph"):
        await tenants.b.assistants.DeleteAssistant(DeleteAssistantRequest(assistant_id=default_assistant_id("echo")))


async def test_a_graph_that_comes_later_reaches_all_tenants(pool: Pool) -> None:
    await pool.execute("SELECT welcome_tenant('t')")
    await pool.execute(
        "INSERT INTO assistants (assistant_id, version, is_default) VALUES ('d', 2, true), ('own', 1, false)"
    )
    await pool.execute(
        "INSERT INTO assistant_versions (assistant_id, version, graph_id, name)"
        " VALUES ('d', 1, 'g', 'g'), ('d', 2, 'g', 'mine'), ('own', 1, 'g', 'own')"
    )
    await pool.execute("SELECT register_default_assistants()")
    rows = await pool.fetch(
        "SELECT a.assistant_id, a.version, a.is_default, v.graph_id, v.name FROM assistants a"
        " JOIN assistant_versions v USING (tenant, assistant_id, version) WHERE tenant = 't'"
    )
    assert [tuple(row) for row in rows] == [("d", 1, True, "g", "g")]


async def test_a_tenant_and_a_graph_of_the_same_moment_do_not_miss_each_other(pool: Pool) -> None:
    await pool.execute("INSERT INTO assistants (assistant_id, version, is_default) VALUES ('d', 1, true)")
    await pool.execute(
        "INSERT INTO assistant_versions (assistant_id, version, graph_id, name) VALUES ('d', 1, 'g', 'g')"
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT welcome_tenant('t')")
        await pool.execute("INSERT INTO assistants (assistant_id, version, is_default) VALUES ('e', 1, true)")
        await pool.execute(
            "INSERT INTO assistant_versions (assistant_id, version, graph_id, name) VALUES ('e', 1, 'h', 'h')"
        )
        published = asyncio.create_task(pool.execute("SELECT register_default_assistants()"))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(10):
            while not await pool.fetchval(waiting):
                await asyncio.sleep(0.01)
    await published
    assert await pool.fetchval("SELECT count(*) FROM assistants WHERE tenant = 't'") == 2


async def test_a_tenants_name_has_no_slash(pool: Pool) -> None:
    with pytest.raises(Exception, match="tenants_tenant_check"):
        await pool.execute("SELECT welcome_tenant('a/b')")


async def test_only_so_many_tenants_are_remembered(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "_REMEMBERED", 3)
    made = newcomers.Newcomers(pool)
    for number in range(10):
        identify(Identity(f"user-{number}", "test", frozenset()))
        async with made._welcome(None, cast(Any, None)):
            pass
    assert len(made._known) <= 3
    assert await pool.fetchval("SELECT count(*) FROM tenants") == 11
