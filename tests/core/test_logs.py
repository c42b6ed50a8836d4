"""What a process writes to its stderr."""

from __future__ import annotations

import json
import subprocess
import sys

_ENDS_BY_A_GROUP = """
from runwire.core import logs
logs.configure("INFO", "worker")
raise ExceptionGroup("two", [ValueError("first"), OSError("second")])
"""


def test_an_exception_that_ends_a_process_is_one_line_of_json() -> None:
    ended = subprocess.run([sys.executable, "-c", _ENDS_BY_A_GROUP], capture_output=True, text=True, timeout=60)
    (line,) = ended.stderr.splitlines()
    said = json.loads(line)
    assert (ended.returncode, said["level"], said["process"], said["action"]) == (1, "CRITICAL", "worker", "uncaught")
    assert "ValueError: first" in said["exc_info"]
    assert "OSError: second" in said["exc_info"]


_CALLS_WITH_A_SECRET = """
import logging
from runwire.core import logs
logs.configure("DEBUG", "resource")
logging.getLogger("httpx2").info("HTTP Request: GET https://issuer.example/?token=hidden")
"""


def test_no_url_that_is_called_is_said() -> None:
    ended = subprocess.run([sys.executable, "-c", _CALLS_WITH_A_SECRET], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


_LOSES_A_CALLER = """
import logging
from grpc._cython import cygrpc
from runwire.core import logs
logs.configure("DEBUG", "stream")
try:
    raise cygrpc.ExecuteBatchError("execute_batch")
except cygrpc.ExecuteBatchError:
    logging.getLogger("grpc._cython.cygrpc").exception("raised in core by servicer method")
logging.getLogger("grpc._cython.cygrpc").error("something else")
"""


def test_a_caller_that_goes_while_it_is_answered_is_no_error() -> None:
    ended = subprocess.run([sys.executable, "-c", _LOSES_A_CALLER], capture_output=True, text=True, timeout=60)
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["message"] == "something else"
