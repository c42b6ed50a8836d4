"""Logging: JSON lines on stderr, with a stable `action` and ids in `extra`. Payloads never appear at INFO."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from pythonjsonlogger.json import JsonFormatter

_log = logging.getLogger(__name__)


def configure(level: str, process: str) -> None:
    """Sends everything from `level` up to stderr as JSON lines that name the process: also what ends the process."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            static_fields={"process": process},
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    grpc_log = logging.getLogger("grpc._cython.cygrpc")
    grpc_log.setLevel(logging.ERROR)
    grpc_log.addFilter(_has_not_lost_its_caller)
    # At INFO it says each request's URL, in which there may be a secret.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # Processes that share a stderr would write into one another's tracebacks; a record is one line.
    sys.excepthook = _uncaught


def _has_not_lost_its_caller(record: logging.LogRecord) -> bool:
    """gRPC logs an error where a connection breaks under an answer. Who called knows, and nobody else can act."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "ExecuteBatchError"


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    _log.critical("ended by an exception", exc_info=(kind, error, traceback), extra={"action": "uncaught"})
