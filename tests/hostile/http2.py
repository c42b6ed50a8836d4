"""As much of HTTP/2 as it takes to break its rules: frames written by hand."""

from __future__ import annotations

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, RST_STREAM, DATA, PING, CONTINUATION = 4, 1, 3, 0, 6, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def headers(path: str, **more: str) -> bytes:
    """The header block of a call, each field literal and without Huffman's code."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    raw = text.encode()
    return _number(len(raw)) + raw


def _number(value: int) -> bytes:
    if value < 127:
        return bytes((value,))
    value, packed = value - 127, bytearray((127,))
    while value > 127:
        packed.append(value % 128 + 128)
        value //= 128
    return bytes((*packed, value))


def send(address: str, raw: bytes, *, seconds: float = 5.0) -> bytes:
    """Sends bytes on a connection of their own, and reads until the server closes it or has had its time."""
    host, _, port = address.rpartition(":")
    answer = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except OSError:
            pass
    return answer
