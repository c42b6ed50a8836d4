"""Copies of the project's tracked files, in which commands are run on the copy's own code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults.mutants.patches import is_campaign

ROOT = Path(__file__).parent.parent.parent.parent
_COMMAND_SECONDS = 600
# A test that came to no end has shown nothing, and neither has one whose fixture failed: that is an ERROR.
_FAILED_TEST = re.compile(r"^FAILED (\S+)(?! - Failed: Timeout)(?:$| )", re.MULTILINE)
_VIOLATION = re.compile(r"^VIOLATION of (\w+):", re.MULTILINE)


class Inconclusive(Exception):
    """A command neither passed nor found anything."""


class Copy:
    """One copy."""

    def __init__(self, folder: Path) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self.folder = folder

    def apply(self, patch: Path) -> None:
        """Raises CalledProcessError when the patch does not fit."""
        self._git_apply(str(patch))

    def check(self, patch: Path) -> None:
        """As `apply`, and changes nothing."""
        self._git_apply("--check", str(patch))

    def _git_apply(self, *arguments: str) -> None:
        # Not to a repository that the copy may be inside of.
        env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(self.folder.parent)}
        command = ["git", "apply", *arguments]
        subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=True)

    def found_by(self, command: str) -> list[str]:
        """The tests that a command saw fail, or the invariants that a campaign saw violated; none when it passed.

        Raises Inconclusive for anything else: it took too long, no test was run, a fixture failed.
        """
        words = shlex.split(command)
        campaign = is_campaign(command)
        program = ["tests.faults", *words[1:]] if campaign else ["pytest", "-n", "0", "-q", "-x", *words]
        # Before what the environment has installed: `runwire` is a namespace whose first portion wins.
        code = os.pathsep.join([str(self.folder / "services"), str(self.folder / "gen")])
        try:
            done = subprocess.run(
                [sys.executable, "-m", *program],
                cwd=self.folder,
                # Wide enough for pytest to say why a test failed.
                env={**os.environ, "PYTHONPATH": code, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"},
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Inconclusive(f"{command}: not done after {_COMMAND_SECONDS} seconds") from error
        if done.returncode == 0:
            return []
        found = (_VIOLATION if campaign else _FAILED_TEST).findall(done.stdout)
        if not found:
            raise Inconclusive(f"{command}: {(done.stdout + done.stderr)[-4000:]}")
        return list(dict.fromkeys(found))
