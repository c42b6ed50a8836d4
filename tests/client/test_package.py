"""What the package brings and what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from runwire.client.client import service_config

_PROTOS = Path(__file__).parent.parent.parent / "protos"
_IMPORT_ALONE = """
import sys
for name in ("google.rpc", "grpc_status", "runwire.core", "pydantic", "asyncpg", "langgraph"):
    sys.modules[name] = None
import runwire.client
"""


def test_the_retry_policy_is_that_of_the_contract() -> None:
    packaged = files("runwire.client").joinpath("service_config.json").read_text()
    assert json.loads(packaged) == json.loads((_PROTOS / "service_config.json").read_text())


def test_creating_runs_is_repeated_too_since_the_client_chooses_their_ids() -> None:
    names = service_config()["methodConfig"][0]["name"]
    methods = {each.get("method") for each in names if each["service"].endswith("RunsService")}
    assert {"CreateRun", "BatchCreateRuns"} <= methods
    assert "DeleteRun" not in methods


def test_the_client_needs_grpcio_and_protobuf_alone() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", _IMPORT_ALONE], check=True, timeout=60)
