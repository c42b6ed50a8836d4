"""The rules of `config` and `context`, which assistants and runs share."""

from __future__ import annotations

from typing import Any

from runwire.api.type.v1.run_pb2 import RunConfig
from runwire.core.checks import Checks

# What the platform sets itself; a caller who could set it would run as another run, or on another thread.
_RESERVED_KEYS = frozenset(
    ["thread_id", "run_id", "graph_id", "assistant_id", "checkpoint_id", "checkpoint_ns", "checkpoint_map"]
)
_RESERVED_PREFIXES = ("__", "langgraph_")
_TAGS = 64
_TAG_BYTES = 128
_RECURSION_LIMIT = 10_000


def check_config(checks: Checks, request: Any) -> None:
    """Checks the fields `config` and `context` of a request that has both."""
    config: RunConfig = request.config
    checks.json("context", request, must_be_object=True)
    if request.HasField("context") and config.HasField("configurable"):
        checks.add("context", "FIELDS_CONFLICT", "excludes config.configurable")
    checks.length("config.tags", config.tags, 0, _TAGS)
    for index, tag in enumerate(config.tags[:_TAGS]):
        checks.text(f"config.tags[{index}]", tag, _TAG_BYTES)
    if config.HasField("recursion_limit"):
        checks.number("config.recursion_limit", config.recursion_limit, 1, _RECURSION_LIMIT)
    _check_configurable(checks, config)


def _check_configurable(checks: Checks, config: RunConfig) -> None:
    configurable = checks.json("config.configurable", config, must_be_object=True)
    for key in configurable or ():
        if key in _RESERVED_KEYS or key.startswith(_RESERVED_PREFIXES):
            checks.add("config.configurable", "FIELD_INVALID", f"{key[:128]} is set by the platform")
