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
