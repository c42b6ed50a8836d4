"""Every RPC of the contract, from the descriptors, and calls of it by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from runwire.api.dispatch.v1 import crons_pb2, runs_pb2, thread_state_pb2, workers_pb2
from runwire.api.resource.v1 import assistants_pb2, store_pb2, threads_pb2
from runwire.api.stream.v1 import stream_pb2

_FILES = {
    "resource": (assistants_pb2, threads_pb2, store_pb2),
    "dispatch": (runs_pb2, thread_state_pb2, crons_pb2, workers_pb2),
    "stream": (stream_pb2,),
}
_CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC and the process that has it."""

    process: str
    method: MethodDescriptor

    @property
    def name(self) -> str:
        """Without package and service."""
        return str(self.method.name)

    @property
    def path(self) -> str:
        """As gRPC names it."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def request_class(self) -> type[Message]:
        """The class of its requests."""
        return GetMessageClass(self.method.input_type)

    async def call(self, addresses: Any, request: Message | bytes) -> Message | None:
        """Its (first) answer; bytes are sent as they are. Raises AioRpcError."""
        response_class: Any = GetMessageClass(self.method.output_type)
        kinds: dict[str, Any] = {
            "request_serializer": lambda sent: sent if isinstance(sent, bytes) else sent.SerializeToString(),
            "response_deserializer": response_class.FromString,
        }
        async with grpc.aio.insecure_channel(addresses[self.process]) as channel, asyncio.timeout(_CALL_SECONDS):
            if not self.method.server_streaming:
                answer: Message = await channel.unary_unary(self.path, **kinds)(request, timeout=_CALL_SECONDS)
                return answer
            call = channel.unary_stream(self.path, **kinds)(request, timeout=_CALL_SECONDS)
            async for message in call:
                first: Message = message
                return first
        return None


def services() -> Iterator[tuple[str, ServiceDescriptor]]:
    """Each service, with the process that has it."""
    for process, files in _FILES.items():
        for file in files:
            for service in file.DESCRIPTOR.services_by_name.values():
                yield process, service


def all_rpcs() -> list[Rpc]:
    """Every RPC."""
    return [Rpc(process, method) for process, service in services() for method in service.methods]
