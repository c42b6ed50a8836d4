"""`runwire up`, which stays up."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import grpc
import psutil
import pytest

from runwire.api.resource.v1.threads_pb2 import CreateThreadRequest, GetThreadRequest, Thread
from runwire.api.resource.v1.threads_pb2_grpc import ThreadsServiceStub
from runwire.cli.health import wait_until_serving
from runwire.cli.ports import free_port
from runwire.cli.stack import HEALTH_NAMES
from tests.cli.conftest import Start, assert_nothing_is_left

Ports = dict[str, int]


@pytest.fixture
def ports() -> Ports:
    """A free port for each process."""
    found: Ports = {}
    for part in HEALTH_NAMES:
        found[part] = free_port("127.0.0.1", found.values())
    return found


def variables(ports: Ports) -> dict[str, str]:
    return {f"RUNWIRE_{part.upper()}_PORT": str(port) for part, port in ports.items()} | {"RUNWIRE_EXECUTORS": "1"}


def process_at(part: str, state_dir: Path) -> psutil.Process:
    """The process of a part that an `up` on the state folder has started."""
    for process in psutil.process_iter():
        try:
            if process.cmdline()[-2:] == ["-m", f"runwire.{part}"] and (
                process.environ().get("RUNWIRE_STATE_DIR") == str(state_dir)
            ):
                return process
        except (psutil.Error, OSError):
            continue
    raise LookupError(part)


async def test_all_four_processes_answer_where_the_table_says(start: Start, ports: Ports, uris: dict[str, str]) -> None:
    up = start("up", **variables(ports), **uris)
    await up.says("Ready after")
    for part, port in ports.items():
        assert f"127.0.0.1:{port}" in up.so_far()
        await wait_until_serving(f"127.0.0.1:{port}", HEALTH_NAMES[part])


async def test_a_process_that_dies_is_started_again_and_said(
    start: Start, state_dir: Path, ports: Ports, uris: dict[str, str]
) -> None:
    up = start("up", **variables(ports), **uris)
    await up.says("Ready after")
    process_at("dispatch", state_dir).kill()
    await up.says("dispatch was ended by SIGKILL; it is started again")
    await up.says("dispatch serves again.")
    await wait_until_serving(f"127.0.0.1:{ports['dispatch']}", HEALTH_NAMES["dispatch"])


async def test_data_survives_an_end_by_sigterm(start: Start, state_dir: Path, ports: Ports) -> None:
    threads: list[Thread] = []
    for _ in range(2):
        up = start("up", **variables(ports))
        await up.says("Ready after")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['resource']}") as channel:
            stub = ThreadsServiceStub(channel)
            if not threads:
                threads.append((await stub.CreateThread(CreateThreadRequest())).thread)
            thread = (await stub.GetThread(GetThreadRequest(thread_id=threads[0].thread_id))).thread
            assert thread.create_time == threads[0].create_time
        up.send(signal.SIGTERM)
        assert await up.end() == 0
        await assert_nothing_is_left(state_dir)


async def test_a_port_in_use_is_told_with_the_variable_to_set(start: Start, ports: Ports, uris: dict[str, str]) -> None:
    server = grpc.aio.server()
    server.add_insecure_port(f"127.0.0.1:{ports['stream']}")
    await server.start()
    try:
        up = start("up", **variables(ports), **uris)
        assert await up.end() == 1
    finally:
        await server.stop(None)
    sentence = f"Port {ports['stream']} is in use: end what uses it, or set RUNWIRE_STREAM_PORT to another one."
    assert up.output.splitlines()[-1] == sentence


async def test_a_project_without_graphs_is_told_what_to_set(start: Start, tmp_path: Path, uris: dict[str, str]) -> None:
    up = start("up", cwd=tmp_path, **uris)
    assert await up.end() == 1
    assert up.output == "There is no langgraph.json: set RUNWIRE_GRAPHS to the langgraph.json of your project.\n"


async def test_a_graph_of_the_users_own_is_served(
    start: Start, tmp_path: Path, ports: Ports, uris: dict[str, str]
) -> None:
    (tmp_path / "langgraph.json").write_text(json.dumps({"graphs": {"mine": "./mine.py:graph"}}))
    (tmp_path / "mine.py").write_text(
        "from langgraph.graph import MessagesState, StateGraph\n"
        "graph = StateGraph(MessagesState)\n"
        "graph.add_node('only', lambda state: {})\n"
        "graph.set_entry_point('only')\n"
    )
    up = start("up", cwd=tmp_path, **variables(ports), **uris)
    await up.says("Ready after")
    assert ["graphs", "langgraph.json"] in [line.split() for line in up.so_far().splitlines()]
