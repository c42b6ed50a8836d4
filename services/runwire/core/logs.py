"""Logging: JSON lines on stderr, with a stable `action` and ids in `extra`. Payloads never appear at INFO."""

from __future__ import annotations

import logging

from pythonjsonlogger.json import JsonFormatter


def configure(level: str, process: str) -> None:
    """Sends everything from `level` up to stderr as JSON lines that name the process."""
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
    logging.getLogger("grpc._cython.cygrpc").setLevel(logging.ERROR)
