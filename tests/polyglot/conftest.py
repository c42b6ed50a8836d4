"""The TypeScript example, built as its README says, and real processes that serve the example graphs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runwire.embedded import Servers
from tests.harness.databases import fresh_database, system_settings
from tests.harness.platform import Platform
from tests.harness.processes import processes

_ROOT = Path(__file__).resolve().parents[2]
_EXAMPLE = _ROOT / "examples" / "typescript"
_MADE = shutil.ignore_patterns("node_modules", "dist", "gen")
_SECONDS_PER_TOKEN = "0.06"
"""A run that takes about three seconds: long enough to lose its connection on the way."""
_COMMAND_SECONDS = 100.0

# `./buildout.sh node` puts Node there when the machine has none.
_PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


class Program:
    """The example's folder, built."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def running(self, *arguments: str) -> AsyncIterator[Process]:
        """What `npm start` runs. Its output is to be read; it is killed if it has not ended with the block."""
        process = await _start(self._folder, "node", "dist/main.js", *arguments)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture(scope="module")
async def program(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """A copy of the example, made by the README's commands on the packages of its lock file."""
    if not shutil.which("node", path=_PATH):
        pytest.skip("there is no node: `./buildout.sh node` installs one")
    assert pytestconfig.cache is not None
    root = tmp_path_factory.mktemp("polyglot")
    folder = root / "examples" / "typescript"
    shutil.copytree(_EXAMPLE, folder, ignore=_MADE)
    (root / "protos").symlink_to(_ROOT / "protos")
    (folder / "node_modules").symlink_to(await _packages(pytestconfig.cache.mkdir("typescript")))
    for script in ("generate", "build"):
        await _done(folder, "npm", "run", script)
    return Program(folder)


async def _packages(cache: Path) -> Path:
    """The folder of the packages, installed once for each content of the lock file."""
    digest = hashlib.sha256((_EXAMPLE / "package-lock.json").read_bytes()).hexdigest()
    kept = cache / digest[:16]
    if not kept.exists():
        making = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(_EXAMPLE / name, making)
        await _done(making, "npm", "ci")
        making.rename(kept)
    return kept / "node_modules"


async def _start(folder: Path, *command: str) -> Process:
    program = shutil.which(command[0], path=_PATH)
    assert program, f"there is node, but no {command[0]}"
    environment = {**os.environ, "PATH": _PATH}
    return await asyncio.create_subprocess_exec(
        program, *command[1:], cwd=folder, env=environment, stdout=PIPE, stderr=STDOUT
    )


async def _done(folder: Path, *command: str) -> None:
    process = await _start(folder, *command)
    try:
        async with asyncio.timeout(_COMMAND_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, f"{' '.join(command)} failed:\n{said.decode()}"


@pytest.fixture(scope="module")
async def platform(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Platform]:
    """Four processes with the example graphs, whose model takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNWIRE_EXAMPLE_TOKEN_SECONDS", _SECONDS_PER_TOKEN)
        async with fresh_database(servers) as uri:
            settings = system_settings(uri, servers.redis_uri, graphs=_ROOT / "examples" / "langgraph.json")
            async with processes(settings, tmp_path_factory.mktemp("processes")) as made:
                yield made
