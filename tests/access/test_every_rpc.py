"""No RPC is forgotten: each asks for credentials and its scope before it looks at the request."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import runwire.resource.__main__ as resource
from runwire.api.resource.v1.assistants_pb2 import DeleteAssistantRequest
from runwire.api.stream.v1.stream_pb2 import StreamRunRequest
from runwire.core.access.api_keys import ApiKeys, new_key
from runwire.core.scopes import scope_of
from runwire.core.settings import Settings
from tests.access.conftest import SCOPES, Guarded, bearer, bytes_call
from tests.contract.rpcs import Rpc, all_rpcs
from tests.harness.refused import Refused

READING = ("Get", "List", "Count", "Search", "Stream", "Wait")

every_rpc = pytest.mark.parametrize("rpc", all_rpcs(), ids=lambda rpc: rpc.name)


def by_name(name: str) -> Rpc:
    [rpc] = [rpc for rpc in all_rpcs() if rpc.name == name]
    return rpc


def assert_unauthenticated(refused: Refused | None) -> None:
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert (refused.infos, refused.message) == (1, "The call carries no valid credentials.")


@every_rpc
async def test_no_credentials_are_refused_before_the_request_is_read(guarded: Guarded, rpc: Rpc) -> None:
    assert_unauthenticated(await guarded.refused(rpc))


@every_rpc
async def test_wrong_credentials_are_refused_in_the_same_words(guarded: Guarded, rpc: Rpc) -> None:
    stranger, _ = new_key("acme", "stranger", ["*"], None)
    assert_unauthenticated(await guarded.refused(rpc, bearer(stranger)))


@every_rpc
async def test_a_caller_without_the_scope_hears_which_it_is(guarded: Guarded, rpc: Rpc) -> None:
    scope = scope_of(rpc.path)
    refused = await guarded.refused(rpc, bearer(guarded.keys[f"all but {scope}"]))
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert refused.metadata == {"scope": scope}


@every_rpc
async def test_the_one_scope_is_enough(guarded: Guarded, rpc: Rpc) -> None:
    refused = await guarded.refused(rpc, bearer(guarded.keys[scope_of(rpc.path)]), b"")
    assert refused is None or refused.code == grpc.StatusCode.INVALID_ARGUMENT, refused


@every_rpc
def test_each_rpc_has_one_documented_scope(rpc: Rpc) -> None:
    scope = scope_of(rpc.path)
    assert scope in SCOPES
    assert scope.endswith(":read") is rpc.name.startswith(READING)


@pytest.mark.parametrize("process", ["resource", "dispatch", "stream"])
async def test_health_is_open_and_reflection_asks_for_credentials(guarded: Guarded, process: str) -> None:
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(guarded.addresses[process]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest())
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.ServerReflectionInfo(iter([asked])):
                pass
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        metadata = bearer(guarded.keys["workers:read"])
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([asked]), metadata=metadata)]
    assert answers


@pytest.mark.parametrize("path", ["/runwire.api.dispatch.v1.RunsService/Nothing", "/runwire.x.v9.NewService/GetIt"])
async def test_methods_that_do_not_exist_ask_for_credentials_too(guarded: Guarded, path: str) -> None:
    codes = []
    async with grpc.aio.insecure_channel(guarded.addresses["dispatch"]) as channel:
        for metadata in ((), bearer(guarded.keys["store:read"]), bearer(guarded.keys["*"])):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await bytes_call(channel.unary_unary, path)(b"", metadata=metadata)
            codes.append(caught.value.code().name)
    assert codes == ["UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED"]


async def test_a_reader_of_runs_may_not_cancel_one_by_hanging_up(guarded: Guarded) -> None:
    asked = StreamRunRequest(run_id="01890a5d-ac96-774b-bcce-b302099a8057", cancel_on_disconnect=True)
    refused = await guarded.refused(by_name("StreamRun"), bearer(guarded.keys["runs:read"]), asked.SerializeToString())
    assert refused is not None
    assert (refused.reason, refused.metadata) == ("PERMISSION_DENIED", {"scope": "runs:write"})


async def test_deleting_an_assistants_threads_asks_for_the_scope_of_threads(guarded: Guarded) -> None:
    asked = DeleteAssistantRequest(assistant_id="any", delete_threads=True).SerializeToString()
    refused = await guarded.refused(by_name("DeleteAssistant"), bearer(guarded.keys["assistants:write"]), asked)
    assert refused is not None
    assert (refused.reason, refused.metadata) == ("PERMISSION_DENIED", {"scope": "threads:write"})


async def test_a_bug_of_authentication_lets_nobody_in_and_shows_nothing(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, key: str) -> None:
        raise RuntimeError(f"what the call showed: {key}")

    monkeypatch.setattr(ApiKeys, "identity", broken)
    refused = await guarded.refused(by_name("ListThreads"), bearer(guarded.keys["*"]), b"")
    assert refused is not None
    assert (refused.code, refused.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "showed" not in refused.message


async def test_reflection_can_be_turned_off(settings: Settings) -> None:
    async with (
        resource.running(settings.model_copy(update={"reflection": False})) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert await call.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_large_request_without_credentials_is_refused_unread(guarded: Guarded) -> None:
    """Beyond the server's limit, which whoever reads it finds out."""
    assert_unauthenticated(await guarded.refused(by_name("CreateRun"), request=bytes(33 * 1024 * 1024)))
