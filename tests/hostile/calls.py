"""Calls of any RPC with any bytes, many under way at once, each with an end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.contract.rpcs import Rpc, all_rpcs

_SECONDS = 30.0
# Following and waiting end when the caller has had enough.
_PATIENCE = {"StreamRun": 0.3, "StreamThread": 0.3, "WaitRun": 0.3}
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_BY_REQUEST = {rpc.method.input_type.full_name: rpc for rpc in all_rpcs()}


@dataclass(slots=True, eq=False)
class Reply:
    """What came of a call: an answer, or the error. `seconds` is how long it took."""

    rpc: Rpc
    raw: bytes
    answer: Message | None = None
    error: grpc.RpcError | None = None
    seconds: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def code(self) -> grpc.StatusCode:
        """Its status."""
        return self.error.code() if self.error is not None else grpc.StatusCode.OK

    @property
    def patience(self) -> bool:
        """Whether it was this side that had enough."""
        return self.rpc.name in _PATIENCE and self.code == grpc.StatusCode.DEADLINE_EXCEEDED


class Caller:
    """Channels to the services, with requests as bytes."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._channels = {
            name: grpc.insecure_channel(addresses[name], _OPTIONS) for name in ("resource", "dispatch", "stream")
        }

    def close(self) -> None:
        """Ends all calls."""
        for channel in self._channels.values():
            channel.close()

    def call(self, request: Message) -> Any:
        """The answer, or the first one of a stream. Raises RpcError."""
        reply = self.begin(_BY_REQUEST[request.DESCRIPTOR.full_name], request.SerializeToString(), patience=_SECONDS)
        assert reply.done.wait(_SECONDS + 5)
        if reply.error is not None:
            raise reply.error
        return reply.answer

    def begin(self, rpc: Rpc, raw: bytes, *, patience: float | None = None) -> Reply:
        """Starts a call; `done` is set when it is over."""
        reply = Reply(rpc, raw)
        seconds = patience or _PATIENCE.get(rpc.name, _SECONDS)
        began = monotonic()
        parse = GetMessageClass(rpc.method.output_type).FromString
        channel: Any = self._channels[rpc.process]
        if rpc.method.server_streaming:
            open_call = channel.unary_stream(rpc.path, None, parse)
            threading.Thread(target=_read, args=(open_call(raw, timeout=seconds), reply, began), daemon=True).start()
            return reply
        call = channel.unary_unary(rpc.path, None, parse).future(raw, timeout=seconds)
        call.add_done_callback(lambda ended: _end(reply, ended, began))
        return reply


def _end(reply: Reply, ended: Any, began: float) -> None:
    reply.seconds = monotonic() - began
    if ended.code() == grpc.StatusCode.OK:
        reply.answer = ended.result()
    else:
        reply.error = ended
    reply.done.set()


def _read(call: Any, reply: Reply, began: float) -> None:
    """Reads a stream's first answer, then goes away."""
    try:
        reply.answer = next(iter(call), None)
        call.cancel()
    except grpc.RpcError as error:
        reply.error = error
    reply.seconds = monotonic() - began
    reply.done.set()
