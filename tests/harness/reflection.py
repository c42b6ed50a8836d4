"""What a server says about its services by reflection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

_OURS = "runwire."
_CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ReflectedRpc:
    """An RPC as its server describes it."""

    service: str
    name: str
    streams: bool

    async def answer(self, address: str) -> tuple[grpc.StatusCode, str]:
        """The code, and the message, of a call with an empty request."""
        async with grpc.aio.insecure_channel(address) as channel:
            call: Any = (channel.unary_stream if self.streams else channel.unary_unary)(f"/{self.service}/{self.name}")
            try:
                answer = call(b"", timeout=_CALL_SECONDS)
                await (answer.read() if self.streams else answer)
            except grpc.aio.AioRpcError as error:
                return error.code(), error.details() or ""
        return grpc.StatusCode.OK, ""


async def reflected_services(address: str) -> set[str]:
    """The names of all services of a server."""
    listed = _ask(address, reflection_pb2.ServerReflectionRequest(list_services=""))
    return {service.name async for answer in listed for service in answer.list_services_response.service}


async def reflected_rpcs(address: str) -> list[ReflectedRpc]:
    """Every RPC of Runwire's own services of a server."""
    found = []
    for service in sorted(await reflected_services(address)):
        if service.startswith(_OURS):
            asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)
            async for answer in _ask(address, asked):
                for raw in answer.file_descriptor_response.file_descriptor_proto:
                    found += _rpcs(FileDescriptorProto.FromString(raw), service)
    return found


def _rpcs(file: FileDescriptorProto, service: str) -> list[ReflectedRpc]:
    return [
        ReflectedRpc(service, method.name, method.server_streaming)
        for described in file.service
        if f"{file.package}.{described.name}" == service
        for method in described.method
    ]


async def _ask(address: str, request: reflection_pb2.ServerReflectionRequest) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        async for answer in stub.ServerReflectionInfo(iter([request])):
            yield answer
