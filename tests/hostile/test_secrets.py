"""Secrets stay where they were put: no log, error, published graph, reflection or command line has one."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runwire.api.dispatch.v1 import runs_pb2, thread_state_pb2, workers_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.cli import stack
from runwire.cli.stack import Stack
from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.platform import MODES, Platform, connected, new_thread
from tests.harness.proxy import Proxy, proxy_of
from tests.harness.refused import refused
from tests.harness.waiting import until

_PROJECT = Path(__file__).with_name("project")
SLOW = bool(os.environ.get("RUNWIRE_SLOW_TESTS"))
LEVELS = ["DEBUG", "INFO"] if SLOW else ["DEBUG"]
"""What INFO logs, DEBUG logs as well."""


@dataclass(slots=True)
class Canaries:
    """Secrets by name."""

    database_password: str
    redis_password: str
    webhook_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    webhook_header: str = field(default_factory=lambda: f"canary-header-{secrets.token_hex(8)}")
    environment: str = field(default_factory=lambda: f"canary-environment-{secrets.token_hex(8)}")
    configurable: str = field(default_factory=lambda: f"canary-configurable-{secrets.token_hex(8)}")
    context: str = field(default_factory=lambda: f"canary-context-{secrets.token_hex(8)}")
    input: str = field(default_factory=lambda: f"canary-input-{secrets.token_hex(8)}")

    def in_text(self, text: str, *, apart_from: tuple[str, ...] = ()) -> list[str]:
        """The names of those that a text has."""
        names = [name for name in self.__slots__ if name not in apart_from]
        return [name for name in names if getattr(self, name) in text]


@dataclass(slots=True)
class Scene:
    """Processes with canaries behind proxies."""

    platform: Platform
    processes: Stack
    canaries: Canaries
    postgres: Proxy
    redis: Proxy
    logs: Path


def _behind(uri: str, proxy: Proxy) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@{proxy.address}"))


def _place(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.hostname}:{parts.port}"


def _password(uri: str) -> str:
    password = urlsplit(uri).password
    assert password
    return password


@pytest.fixture(scope="module", params=LEVELS)
async def scene(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    """The four processes."""
    folder = tmp_path_factory.mktemp("secrets")
    canaries = Canaries(_password(servers.database_uri), _password(servers.redis_uri))
    project = {
        "dependencies": [str(_PROJECT)],
        "graphs": {"keeper": f"{_PROJECT}/keeper.py:keeper"},
        "env": {"CANARY_API_KEY": canaries.environment},
    }
    (folder / "langgraph.json").write_text(json.dumps(project))
    async with AsyncExitStack() as open_:
        uri = await open_.enter_async_context(fresh_database(servers))
        postgres = await open_.enter_async_context(proxy_of(_place(uri)))
        redis = await open_.enter_async_context(proxy_of(_place(servers.redis_uri)))
        settings = system_settings(
            _behind(uri, postgres),
            _behind(servers.redis_uri, redis),
            graphs=folder / "langgraph.json",
            log_level=request.param,
            webhook_secret=f"whsec_{canaries.webhook_key}",
            webhook_private_addresses=True,
            webhook_retry_delay=0.05,
            lease=30,
        )
        started = await open_.enter_async_context(stack.running(settings, log_dir=folder / "logs"))
        pool = await open_.enter_async_context(asyncpg.create_pool(uri, min_size=1, max_size=2))
        addresses = {name: started.address(name) for name in ("resource", "dispatch", "stream", "worker")}
        platform = await open_.enter_async_context(connected(settings, pool, addresses))
        yield Scene(platform, started, canaries, postgres, redis, folder / "logs")


def _request(scene: Scene, *, fail: bool = False, with_context: bool = False) -> runs_pb2.CreateRunRequest:
    canaries = scene.canaries
    given = {"api_key": canaries.configurable, "auth_token": canaries.configurable, "region": "north"}
    asked = runs_pb2.CreateRunRequest(
        assistant_id="keeper",
        thread_id=new_thread(),
        if_thread_missing=runs_pb2.IF_THREAD_MISSING_CREATE,
        input=Json(text=json.dumps({"text": "x", "password": canaries.input, "fail": fail})),
        stream_modes=list(MODES.values()),
        webhook=runs_pb2.Webhook(
            url="http://127.0.0.1:9/hook", headers={"authorization": f"Bearer {canaries.webhook_header}"}
        ),
    )
    if with_context:
        asked.context.text = json.dumps({"service_api_key": canaries.context})
    else:
        asked.config.configurable.text = json.dumps(given)
    return asked


async def _answers(scene: Scene, asked: runs_pb2.CreateRunRequest) -> AsyncIterator[object]:
    """What callers can read of a run and of the processes."""
    platform = scene.platform
    run = (await platform.runs.CreateRun(asked)).run
    yield (await platform.finish(run.run_id)).run
    yield await platform.runs.ListRuns(runs_pb2.ListRunsRequest())
    yield await platform.threads.ListThreads(threads_pb2.ListThreadsRequest())
    yield [event for event in await platform.events(run.run_id) if event.WhichOneof("payload") != "values"]
    yield await platform.state(run.thread_id)
    asked_history = thread_state_pb2.ListThreadHistoryRequest(thread_id=run.thread_id)
    yield await platform.thread_state.ListThreadHistory(asked_history, timeout=20)

    async def tried() -> Any:
        deliveries = await platform.runs.ListWebhookDeliveries(runs_pb2.ListWebhookDeliveriesRequest(run_id=run.run_id))
        return deliveries if deliveries.deliveries[0].last_error else None

    yield await until(tried)
    yield await platform.assistants.ListAssistants(assistants_pb2.ListAssistantsRequest())
    yield await platform.assistants.GetAssistantSchemas(
        assistants_pb2.GetAssistantSchemasRequest(assistant_id="keeper")
    )
    yield await platform.assistants.GetAssistantGraph(assistants_pb2.GetAssistantGraphRequest(assistant_id="keeper"))
    yield await platform.workers.ListWorkers(workers_pb2.ListWorkersRequest())


@pytest.mark.parametrize("fail", [False, True])
@pytest.mark.parametrize("with_context", [False, True])
async def test_what_callers_read_has_no_secret(scene: Scene, fail: bool, with_context: bool) -> None:
    # What a caller has put into the state is in the state.
    async for answer in _answers(scene, _request(scene, fail=fail, with_context=with_context)):
        assert not scene.canaries.in_text(str(answer), apart_from=("input",)), str(answer)[:3000]


async def test_the_published_graphs_have_no_secret(scene: Scene) -> None:
    rows = await scene.platform.pool.fetch("SELECT t::text FROM graphs AS t")
    assert len(rows) == 1
    assert "service_api_key" in rows[0][0]
    assert not scene.canaries.in_text(rows[0][0])


async def test_reflection_and_health_have_no_secret(scene: Scene) -> None:
    for address in scene.platform.addresses.values():
        async with grpc.aio.insecure_channel(address) as channel:
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
            asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
            said = [answer async for answer in reflection.ServerReflectionInfo(iter(asked))]
            health: Any = health_pb2_grpc.HealthStub(channel)
            said.append(await health.Check(health_pb2.HealthCheckRequest()))
        assert not scene.canaries.in_text(str(said))


async def test_command_lines_have_no_secret(scene: Scene) -> None:
    lines = {line for process in psutil.process_iter(["cmdline"]) if (line := " ".join(process.info["cmdline"] or ()))}
    assert any("runwire.worker.executor_process" in line for line in lines)
    assert not [line for line in lines if scene.canaries.in_text(line)]


async def test_refusals_have_no_secret(scene: Scene) -> None:
    canaries, platform = scene.canaries, scene.platform
    wrong = _request(scene)
    wrong.webhook.headers[f"authorization: {canaries.webhook_header}"] = "x"
    wrong.webhook.headers["x-word"] = f"{canaries.webhook_header}\r\n"
    wrong.webhook.url = f"http://user:{canaries.webhook_header}@hook.invalid/"
    wrong.config.configurable.text = json.dumps({"run_id": canaries.configurable})
    wrong.context.text = f'{{"api_key": "{canaries.context}"'
    for call in (
        platform.runs.CreateRun(wrong),
        platform.stream.WaitRun(stream_pb2.WaitRunRequest(run_id=canaries.input)),
        platform.threads.ListThreads(threads_pb2.ListThreadsRequest(page_token=canaries.input)),
        platform.store.PutItem(store_pb2.PutItemRequest(namespace=[canaries.input, ""], key=canaries.input)),
    ):
        assert not canaries.in_text(str(await refused(call)))


async def test_a_broken_database_and_a_broken_redis_tell_no_secret(scene: Scene) -> None:
    platform, canaries = scene.platform, scene.canaries
    asked = _request(scene)
    for proxy in (scene.redis, scene.postgres):
        proxy.refusing = True
        proxy.cut()
    try:
        for call in (
            platform.runs.CreateRun(asked, timeout=5),
            platform.threads.ListThreads(threads_pb2.ListThreadsRequest(), timeout=5),
            platform.stream.WaitRun(stream_pb2.WaitRunRequest(run_id=new_thread()), timeout=5),
        ):
            assert not canaries.in_text(str(await refused(call)))
    finally:
        scene.redis.refusing = scene.postgres.refusing = False

    async def works() -> bool:
        try:
            await platform.runs.CreateRun(asked, timeout=5)
        except grpc.aio.AioRpcError:
            return False
        return True

    await until(works)


async def test_a_bug_tells_no_secret(scene: Scene) -> None:
    await scene.platform.pool.execute("ALTER TABLE store RENAME TO mislaid")
    try:
        value = Json(text=json.dumps({"password": scene.canaries.input}))
        said = await refused(
            scene.platform.store.PutItem(store_pb2.PutItemRequest(namespace=["n"], key="k", value=value))
        )
    finally:
        await scene.platform.pool.execute("ALTER TABLE mislaid RENAME TO store")
    assert (said.code, said.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert not scene.canaries.in_text(str(said))


_MANGLED = {
    "a wrong password": ("postgresql://nobody:{canary}@{postgres}/x", "redis://{redis}"),
    "a # in the password": ("postgresql://u:{canary}#x@{postgres}/x", "redis://{redis}"),
    "an unknown option": ("postgresql://u:{canary}@{postgres}/x?sslmode=sure", "redis://{redis}"),
    "a / in Redis' password": ("postgresql://u:p@{postgres}/x", "redis://:{canary}/x@{redis}/0"),
}
if SLOW:
    _MANGLED |= {
        "a wrong scheme": ("mysql://u:{canary}@{postgres}/x", "redis://{redis}"),
        "no scheme": ("{canary}", "redis://{redis}"),
        "a / in the password": ("postgresql://u:{canary}/x@{postgres}/x", "redis://{redis}"),
        "nobody listening": ("postgresql://u:{canary}@127.0.0.1:9/x", "redis://{redis}"),
        "a wrong port of Redis": ("postgresql://u:p@{postgres}/x", "redis://:{canary}@127.0.0.1:port/0"),
    }


@pytest.mark.parametrize("name", list(_MANGLED))
@pytest.mark.parametrize("part", ["dispatch", "worker"] if SLOW else ["dispatch"])
async def test_a_start_with_a_wrong_address_tells_no_secret(servers: Servers, name: str, part: str) -> None:
    canary = f"canary-uri-{secrets.token_hex(8)}"
    places = {"postgres": _place(servers.database_uri), "redis": _place(servers.redis_uri), "canary": canary}
    database_uri, redis_uri = (uri.format(**places) for uri in _MANGLED[name])
    environment = {**os.environ, "DATABASE_URI": database_uri, "REDIS_URI": redis_uri, "RUNWIRE_LOG_LEVEL": "DEBUG"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"runwire.{part}"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode == 1
    assert canary not in said.decode()
    assert "Traceback" not in said.decode(), said.decode()


async def test_the_logs_of_all_that_have_no_secret(scene: Scene) -> None:
    # The last test: those before it fill the logs.
    for log in scene.logs.glob("*.log"):
        lines = log.read_text().splitlines()
        assert lines or log.name != "dispatch.log"
        assert not [(scene.canaries.in_text(line), line[:2000]) for line in lines if scene.canaries.in_text(line)]
    assert run_pb2.RUN_STATUS_ERROR in {
        run.status for run in (await scene.platform.runs.ListRuns(runs_pb2.ListRunsRequest())).runs
    }
