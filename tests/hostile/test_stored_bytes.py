"""Rows that somebody else has written into the tables of checkpoints and of the store: nothing in them is executed."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import ormsgpack
import pytest

from runwire.api.dispatch.v1 import thread_state_pb2 as state
from runwire.api.resource.v1 import store_pb2, threads_pb2
from runwire.api.type.v1 import run_pb2
from runwire.api.type.v1.json_pb2 import Json
from runwire.cli.stack import Stack
from tests.harness.platform import Platform, new_thread, output, resume, status
from tests.harness.refused import refusal, refused
from tests.harness.waiting import until
from tests.hostile import aftermath
from tests.hostile.verdict import INSIDES

BAIT = "bait"
REFUSED = "refused"
PLAIN = "plain"
EITHER = "either"


class _Bite:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, (BAIT,)


def _ext(code: int, *parts: Any) -> bytes:
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(parts)))


def _nested_ext(levels: int) -> bytes:
    packed = b"\xc0"
    for _ in range(levels):
        packed = b"\xc9" + len(packed).to_bytes(4, "big") + b"\x07" + packed
    return packed


def _constructor(*place: str, version: int = 2) -> bytes:
    made = {"lc": version, "type": "constructor", "id": place, "args": ["touch /tmp/x"], "kwargs": {}}
    return json.dumps(made).encode()


VALUES: dict[str, tuple[str, bytes, str]] = {
    "a pickle": ("pickle", pickle.dumps(_Bite()), REFUSED),
    "no type": ("", b"x", REFUSED),
    "an unknown type": ("yaml", b"!!python/object/apply:os.system [id]", REFUSED),
    "os.system": ("msgpack", _ext(1, "os", "system", ["touch /tmp/x"]), PLAIN),
    "Popen": ("msgpack", _ext(2, "subprocess", "Popen", {"args": ["touch", "/tmp/x"]}), PLAIN),
    "a module": ("msgpack", _ext(0, BAIT, "bite", "x"), PLAIN),
    "a method": ("msgpack", _ext(3, BAIT, "bite", "x", "__call__"), PLAIN),
    "an allowed class's method": ("msgpack", _ext(3, "pathlib", "Path", "/tmp/x", "touch"), PLAIN),
    "a pydantic 1 model": ("msgpack", _ext(4, BAIT, "bite", {"a": 1}), PLAIN),
    "a pydantic 2 model": ("msgpack", _ext(5, BAIT, "bite", {"a": 1}, "model_validate_json"), PLAIN),
    "a builtin": ("msgpack", _ext(0, "builtins", "eval", f"__import__('{BAIT}')"), PLAIN),
    "an array": ("msgpack", _ext(6, "|O", (1,), "C", b"12345678"), PLAIN),
    "a constructor in JSON": ("json", _constructor("os", "system"), PLAIN),
    "an old constructor in JSON": ("json", _constructor("os", "system", version=1), REFUSED),
    "langchain's own class": ("json", _constructor("langchain_core", "prompts", "PromptTemplate", version=1), REFUSED),
    "a secret of the environment": ("json", b'{"lc": 1, "type": "secret", "id": ["RUNWIRE_DATABASE_URI"]}', PLAIN),
    "four billion elements": ("msgpack", b"\xdd\xff\xff\xff\xff", REFUSED),
    "four billion pairs": ("msgpack", b"\xdf\xff\xff\xff\xff", REFUSED),
    "four billion bytes": ("msgpack", b"\xc6\xff\xff\xff\xff", REFUSED),
    "a deep list": ("msgpack", b"\x91" * 100_000, REFUSED),
    "deep extensions": ("msgpack", _nested_ext(5_000), REFUSED),
    "deep JSON": ("json", b"[" * 100_000, REFUSED),
    "a number of many digits": ("json", b"9" * 5_000, REFUSED),
    "torn bytes": ("msgpack", b"\xa5ab", REFUSED),
    "nothing": ("msgpack", b"", REFUSED),
    "text that is not UTF-8": ("msgpack", b"\xa3\xff\xfe\xfd", REFUSED),
}
DOCUMENTS: dict[str, tuple[str, str]] = {
    "no checkpoint": ("checkpoint", "'[]'"),
    "versions that are a number": ("checkpoint", "jsonb_set(checkpoint, '{channel_versions}', '5')"),
    "versions that are a list": ("checkpoint", "jsonb_set(checkpoint, '{channel_versions}', '[1]')"),
    "versions of two kinds": ("checkpoint", "jsonb_set(checkpoint, '{channel_versions,log}', '7')"),
    "a version that is no number": ("checkpoint", "jsonb_set(checkpoint, '{channel_versions,log}', '\"x\"')"),
    "versions seen that are texts": ("checkpoint", "jsonb_set(checkpoint, '{versions_seen}', '{\"ask\": \"x\"}')"),
    "values that are a text": ("checkpoint", "jsonb_set(checkpoint, '{channel_values}', '\"x\"')"),
    "a format that is a text": ("checkpoint", "jsonb_set(checkpoint, '{v}', '\"x\"')"),
    "a time that is none": ("checkpoint", "jsonb_set(checkpoint, '{ts}', '\"yesterday\"')"),
    "an id that is a list": ("checkpoint", "jsonb_set(checkpoint, '{id}', '[]')"),
    "metadata that are a list": ("metadata", "'[]'"),
    "a step that is a text": ("metadata", "jsonb_set(metadata, '{step}', '\"x\"')"),
    "parents that are a number": ("metadata", "jsonb_set(metadata, '{parents}', '5')"),
    "counters that are a number": ("metadata", "jsonb_set(metadata, '{counters_since_delta_snapshot}', '5')"),
}

Call = Callable[[Platform, str], Awaitable[Any]]
_READS: tuple[Call, ...] = (
    lambda p, thread: p.thread_state.GetThreadState(state.GetThreadStateRequest(thread_id=thread, subgraphs=True)),
    lambda p, thread: p.thread_state.ListThreadHistory(state.ListThreadHistoryRequest(thread_id=thread)),
)
_UPDATE: Call = lambda p, thread: p.thread_state.UpdateThreadState(  # noqa: E731
    state.UpdateThreadStateRequest(thread_id=thread, updates=[state.StateUpdate(values=Json(text='{"question": "x"}'))])
)
_UPKEEP: tuple[Call, ...] = (
    lambda p, thread: p.threads.CopyThread(threads_pb2.CopyThreadRequest(thread_id=thread)),
    lambda p, thread: p.threads.PruneThreads(
        threads_pb2.PruneThreadsRequest(thread_ids=[thread], strategy=threads_pb2.TtlStrategy.TTL_STRATEGY_KEEP_LATEST)
    ),
    lambda p, thread: p.threads.DeleteThread(threads_pb2.DeleteThreadRequest(thread_id=thread)),
)


@pytest.fixture
async def unmoved(platform: Platform, processes: Stack, witness: Path) -> Any:
    """Afterwards the worker's processes are the same, nothing was started or imported, and other runs go on."""
    pids = {process.name: process.pid for process in processes.processes if process.pid is not None}
    families, before = aftermath.families(pids), len(witness.read_text().splitlines())
    yield
    assert output(await platform.run("echo", {"text": "x"})) == {"text": "echo: x"}
    assert aftermath.families(pids) == families
    noted = [line.split(" ", 2)[1:] for line in witness.read_text().splitlines()[before:]]
    assert not [line for line in noted if line[0] != "import" or line[1].split(".")[0] in (BAIT, "pickle")]


async def _paused(platform: Platform) -> str:
    """A thread whose head has values, writes and an interrupt."""
    thread = new_thread()
    await platform.run("gate", {"question": "q", "log": ["began"]}, thread=thread)
    return thread


async def _drive(platform: Platform, thread: str, expected: str) -> None:
    """Everything that a caller can do with a thread."""
    for read in _READS:
        try:
            await read(platform, thread)
            assert expected != REFUSED
        except grpc.aio.AioRpcError as error:
            said = refusal(error)
            assert (said.code, said.reason, said.infos) == (grpc.StatusCode.DATA_LOSS, "STATE_UNREADABLE", 1), said
            assert not INSIDES.search(said.message)
            assert expected != PLAIN
    if expected == REFUSED:
        assert (await refused(_UPDATE(platform, thread))).reason == "STATE_UNREADABLE"
    ended = await platform.run("gate", thread=thread, command=resume("yes"))
    if expected == REFUSED:
        assert (status(ended), ended.run.error.type) == ("error", "UnreadableState"), ended.run
        assert not INSIDES.search(ended.run.error.message), ended.run.error.message
    for call in _UPKEEP:
        await call(platform, thread)


async def _planted(platform: Platform, name: str, statement: str, *values: Any, expected: str) -> None:
    thread = await _paused(platform)
    assert await platform.pool.execute(statement, thread, *values) != "UPDATE 0"
    try:
        await _drive(platform, thread, expected)
    except (AssertionError, grpc.RpcError) as error:
        raise AssertionError(f"{name}: {error}") from error


async def test_planted_values_are_read_as_data_or_refused(platform: Platform, unmoved: None) -> None:
    statement = "UPDATE checkpoint_blobs SET type = $2, blob = $3 WHERE thread_id = $1 AND channel = 'log'"
    async with asyncio.TaskGroup() as group:
        for name, (type_, blob, expected) in VALUES.items():
            group.create_task(_planted(platform, name, statement, type_, blob, expected=expected))


async def test_planted_writes_are_read_as_data_or_refused(platform: Platform, unmoved: None) -> None:
    # Data that is no list is more than the graph's own reducer can take.
    statement = "UPDATE checkpoint_writes SET channel = 'log', type = $2, blob = $3 WHERE thread_id = $1"
    async with asyncio.TaskGroup() as group:
        for name, (type_, blob, expected) in VALUES.items():
            asked = REFUSED if expected == REFUSED else EITHER
            group.create_task(_planted(platform, name, statement, type_, blob, expected=asked))


async def test_planted_documents_are_refused(platform: Platform, unmoved: None) -> None:
    async with asyncio.TaskGroup() as group:
        for name, (column, value) in DOCUMENTS.items():
            statement = f"UPDATE checkpoints SET {column} = {value} WHERE thread_id = $1"
            group.create_task(_planted(platform, name, statement, expected=REFUSED))


async def test_a_planted_document_does_not_hold_up_a_rollback(platform: Platform, unmoved: None) -> None:
    thread = new_thread()
    run = await platform.create("slow", {"delay": 60}, thread=thread)

    async def waits_in_its_node() -> bool:
        written = await platform.pool.fetchval("SELECT count(*) FROM checkpoints WHERE thread_id = $1", thread)
        return bool(written == 3)

    await until(waits_in_its_node)
    await platform.pool.execute(
        "UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint, '{channel_versions}', '5') WHERE thread_id = $1",
        thread,
    )
    await platform.cancel(run.run_id, rollback=True)
    assert status(await platform.run("echo", {"text": "x"}, thread=thread)) == "success"


@pytest.mark.parametrize("value", ["5", "[]", '"x"', '{"lc": 2, "type": "constructor", "id": ["os", "system"]}'])
async def test_planted_items_are_data(platform: Platform, unmoved: None, value: str) -> None:
    await platform.run("memory", {"text": "x"})
    await platform.pool.execute("UPDATE store SET value = $1 WHERE prefix = 'texts'", value)
    found = await platform.store.GetItem(store_pb2.GetItemRequest(namespace=["texts"], key="last"))
    assert json.loads(found.item.value.text) == json.loads(value)
    await platform.store.SearchItems(store_pb2.SearchItemsRequest(namespace_prefix=["texts"]))
    ended = await platform.run("memory", {"text": "y"})
    assert ended.run.status in (run_pb2.RUN_STATUS_SUCCESS, run_pb2.RUN_STATUS_ERROR)
    assert ended.run.error.type in ("", "TypeError", "KeyError")
