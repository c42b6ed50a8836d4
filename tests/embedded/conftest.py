"""A state folder for each test, and launchers in processes of their own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).with_name("launcher.py")


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A folder that the servers' account can enter, also when that is not the account of the test."""
    folder = Path(tempfile.mkdtemp(prefix="runwire-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a launcher says once its servers answer."""

    database_uri: str
    redis_uri: str
    pids: list[int]


class Launcher:
    """`launcher.py` on a state folder; it keeps its servers until `end` or `kill`."""

    def __init__(
        self,
        state_dir: Path,
        *,
        python: str = sys.executable,
        user: int | None = None,
        group: int | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [python, LAUNCHER, state_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    async def report(self) -> Report:
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        return Report(**json.loads(line))

    def end(self) -> int:
        self._process.communicate(timeout=60)
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)
