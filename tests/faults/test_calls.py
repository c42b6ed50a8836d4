"""What servers should never say is noted, though the call is made again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.faults.calls import Calls
from tests.faults.history import History, read


async def _bare_error(_: bytes, context: Any) -> bytes:
    raise ValueError("oops")


async def _bare_internal(_: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.INTERNAL, "oops")
    return b""


@pytest.mark.parametrize("handler", [_bare_error, _bare_internal])
async def test_an_error_that_bears_no_reason_is_noted(handler: Any, tmp_path: Path) -> None:
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Do": grpc.unary_unary_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.Service", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    history = History(tmp_path / "history.jsonl")
    calls = Calls({}, history, random.Random(1), {}, "default")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            do: Any = channel.unary_unary("/a.Service/Do")
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await do(b"", timeout=20)
    finally:
        await server.stop(None)
    assert calls.is_passing("Do", raised.value)
    history.close()
    assert [(entry["op"], "oops" in entry["text"]) for entry in read(history.path)] == [("internal", True)]


def test_a_broken_stream_is_no_error_of_a_server(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    calls = Calls({}, history, random.Random(1), {}, "default")
    nothing = grpc.aio.Metadata()
    broken = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, nothing, nothing, details="Received RST_STREAM with code 2")
    assert calls.is_passing("Do", broken)
    history.close()
    assert list(read(history.path)) == []
