"""Another tenant's id is answered as one that nothing has, by every RPC, in every field that can name something.

The fields are found in the descriptors: one that is added is in the matrix, or its test fails until somebody has said
what it names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import Default, DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_status import rpc_status

from runwire.api.dispatch.v1.crons_pb2 import CreateCronRequest
from runwire.api.dispatch.v1.thread_state_pb2 import GetThreadStateRequest
from runwire.api.resource.v1.assistants_pb2 import CreateAssistantRequest
from runwire.api.resource.v1.store_pb2 import PutItemRequest
from runwire.api.type.v1.json_pb2 import Json
from runwire.core.postgres import Pool
from tests.contract.rpcs import all_rpcs
from tests.harness.platform import Platform
from tests.harness.platform import request as run_request
from tests.tenants import foreign
from tests.tenants.conftest import Tenants
from tests.tenants.foreign import Case, NoKind, Things

CASES = foreign.cases()

_CALL_SECONDS = 20.0
# A stream of a thread that nothing happens on stays open.
_STREAM_SECONDS = 0.7

STUBS = ("assistants", "threads", "store", "runs", "thread_state", "crons", "workers", "stream")

READING = frozenset(
    rpc.name for rpc in all_rpcs() if rpc.name.startswith(("Get", "List", "Count", "Search", "Wait", "StreamRun"))
)

SHARED = frozenset(
    {"graphs", "workers", "tenants", "migrations", "checkpoint_migrations", "store_migrations", "revision"}
)
"""Tables without rows of tenants."""


async def things(pool: Pool, tenant: Platform, name: str) -> Things:
    """One of each."""
    assistant = f"{name}-assistant"
    await tenant.assistants.CreateAssistant(CreateAssistantRequest(assistant_id=assistant, graph_id="steps"))
    done = await tenant.run(assistant, {"count": 1}, thread=f"{name}-thread")
    queue = run_request(assistant, {}, thread=f"{name}-queue")
    queue.start_delay.FromSeconds(3600)
    await tenant.runs.CreateRun(queue)
    tick = run_request(assistant, {}, thread=f"{name}-thread")
    await tenant.crons.CreateCron(CreateCronRequest(cron_id=f"{name}-cron", schedule="0 0 1 1 *", run=tick))
    await tenant.store.PutItem(PutItemRequest(namespace=["docs"], key=f"{name}-item", value=Json(text="{}")))
    await tenant.store.PutItem(PutItemRequest(namespace=[f"{name}-docs"], key=f"{name}-item", value=Json(text="{}")))
    await pool.execute(
        "INSERT INTO webhook_deliveries (tenant, run_id, webhook, state, next_attempt_at, settled_at)"
        " VALUES ($1, $2, '', 'failed', NULL, now())",
        name,
        UUID(done.run.run_id),
    )
    state = await tenant.thread_state.GetThreadState(GetThreadStateRequest(thread_id=f"{name}-thread"), timeout=20)
    return Things(
        assistant=assistant,
        thread=f"{name}-thread",
        run=done.run.run_id,
        cron=f"{name}-cron",
        checkpoint=state.state.checkpoint.checkpoint_id,
        queue=f"{name}-queue",
        namespace=f"{name}-docs",
        item=f"{name}-item",
    )


@pytest.fixture(scope="module")
async def owned(tenants: Tenants) -> tuple[Things, Things]:
    """What A has, and what B has."""
    return await things(tenants.pool, tenants.a, "a"), await things(tenants.pool, tenants.b, "b")


async def _tables(pool: Pool) -> dict[str, str]:
    """Each table with rows of tenants, and which are those of $1."""
    rows = await pool.fetch(
        "SELECT c.relname AS name,"
        " EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant') AS has"
        " FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    tables = {row["name"]: "tenant = $1" for row in rows if row["has"] and row["name"] not in SHARED}
    for row in rows:
        if not row["has"] and row["name"] not in SHARED:
            assert row["name"].startswith("checkpoint"), f"whose are the rows of {row['name']}?"
            tables[row["name"]] = "starts_with(thread_id, $1 || '/')"
    return tables


async def digests(pool: Pool, tenant: str) -> Mapping[str, str]:
    """What all tables hold of a tenant."""
    found = {}
    for table, whose in (await _tables(pool)).items():
        # A state request is gone with its answer.
        found[table] = await pool.fetchval(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} AS t WHERE {whose}", tenant
        )
    return found


async def counts(pool: Pool, tenant: str) -> Mapping[str, int]:
    """How many rows all tables have of a tenant."""
    tables = (await _tables(pool)).items()
    return {t: await pool.fetchval(f"SELECT count(*) FROM {t} WHERE {whose}", tenant) for t, whose in tables}


async def answer(tenant: Platform, case: Case, request: Message, value: str) -> str:
    """All that a caller learns, without the id itself and what differs from call to call."""
    stubs = (getattr(tenant, name) for name in STUBS)
    method = next(getattr(stub, case.rpc.name) for stub in stubs if hasattr(stub, case.rpc.name))
    try:
        if case.rpc.method.server_streaming:
            said: list[str] = []
            async for message in method(request, timeout=_STREAM_SECONDS):
                said += [event.WhichOneof("payload") for event in message.events]
            return f"{said}"
        response = await method(request, timeout=_CALL_SECONDS)
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        text = text_format.MessageToString(status) if status is not None else str(error.code())
        if status is not None:
            text += "".join(text_format.MessageToString(detail) for detail in map(_unpacked, status.details))
        return foreign.masked(text, value)
    return foreign.masked(text_format.MessageToString(response), value)


def _unpacked(detail: Any) -> Message:

    made = GetMessageClass(Default().FindMessageTypeByName(detail.TypeName()))()
    detail.Unpack(made)
    return made


async def _forget_what_was_made(pool: Pool, theirs: Things) -> None:
    """Removes what B has made under A's ids, which the next case is to find unknown."""
    for table in ("runs", "removed_runs"):
        await pool.execute(f"DELETE FROM {table} WHERE tenant = 'b' AND run_id = $1", UUID(theirs.run))
    await pool.execute("DELETE FROM crons WHERE tenant = 'b' AND cron_id = $1", theirs.cron)
    await pool.execute("DELETE FROM assistants WHERE tenant = 'b' AND assistant_id = $1", theirs.assistant)
    await pool.execute("DELETE FROM threads WHERE tenant = 'b' AND thread_id = $1", theirs.thread)
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        await pool.execute(f"DELETE FROM {table} WHERE thread_id = 'b/' || $1", theirs.thread)
    await pool.execute(
        "DELETE FROM store WHERE tenant = 'b' AND (prefix = $1 OR key = $2)", theirs.namespace, theirs.item
    )


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_foreign_id_is_answered_as_an_unknown_one(
    tenants: Tenants, owned: tuple[Things, Things], case: Case
) -> None:
    theirs, mine = owned
    before, had = await digests(tenants.pool, "a"), await counts(tenants.pool, "b")
    nothing = foreign.unknown(case.kind, theirs)
    expected = await answer(tenants.b, case, foreign.request(case, nothing, mine, theirs), nothing)
    between = await counts(tenants.pool, "b")
    value = foreign.foreign(case.kind, theirs)
    found = await answer(tenants.b, case, foreign.request(case, value, mine, theirs), value)
    after = await counts(tenants.pool, "b")
    await _forget_what_was_made(tenants.pool, theirs)
    assert found == expected
    assert {t: after[t] - between[t] for t in after} == {t: between[t] - had[t] for t in after}
    assert await digests(tenants.pool, "a") == before


@pytest.mark.parametrize("case", [c for c in CASES if c.rpc.name in READING and "before" not in c.path], ids=str)
async def test_its_owner_is_answered_otherwise(tenants: Tenants, owned: tuple[Things, Things], case: Case) -> None:
    """Else the matrix would prove nothing. What history is to be older than is compared, and need not be there."""
    own = owned[0]
    nothing, value = foreign.unknown(case.kind, own), foreign.foreign(case.kind, own)
    found = await answer(tenants.a, case, foreign.request(case, value, own, own), value)
    assert found != await answer(tenants.a, case, foreign.request(case, nothing, own, own), nothing)


def test_the_matrix_has_every_rpc_that_takes_an_id() -> None:
    without = {rpc.name for rpc in all_rpcs()} - {case.rpc.name for case in CASES}
    assert without == {"ListAssistants", "CountAssistants", "ListWorkers"}


def test_a_new_field_that_names_something_is_not_forgotten() -> None:
    file = FileDescriptorProto(name="new.proto", package="new", syntax="proto3")
    text, optional = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.LABEL_OPTIONAL
    fields = [FieldDescriptorProto(name="owner_id", number=1, type=text, label=optional)]
    file.message_type.append(DescriptorProto(name="NewRequest", field=fields))
    pool = DescriptorPool()
    pool.Add(file)
    path = next(foreign._texts(pool.FindMessageTypeByName("new.NewRequest")))
    with pytest.raises(NoKind, match=r"New\.owner_id"):
        foreign._kind("New", path)
