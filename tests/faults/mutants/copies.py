"""Copies of the project's tracked files, in which commands are run on the copy's own code."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
_COMMAND_SECONDS = 600
_TESTS_FAILED = 1


class Copy:
    """One copy."""

    def __init__(self, folder: Path) -> None:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in filter(None, listed.split("\0")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        self._folder = folder

    def apply(self, patch: Path) -> None:
        """Raises CalledProcessError when the patch does not fit."""
        self._git_apply(str(patch))

    def check(self, patch: Path) -> None:
        """As `apply`, and changes nothing."""
        self._git_apply("--check", str(patch))

    def _git_apply(self, *arguments: str) -> None:
        # Not to a repository that the copy may be inside of.
        env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(self._folder.parent)}
        command = ["git", "apply", *arguments]
        subprocess.run(command, cwd=self._folder, env=env, capture_output=True, text=True, check=True)

    def failure_of(self, command: str) -> str | None:
        """The end of what a command printed when it failed; None when it passed.

        A command that takes too long has failed. Raises CalledProcessError when no test was run.
        """
        words = shlex.split(command)
        program = ["tests.faults", *words[1:]] if words[0] == "faults" else ["pytest", "-n", "0", "-q", "-x", *words]
        # Before what the environment has installed: `runwire` is a namespace whose first portion wins.
        code = os.pathsep.join([str(self._folder / "services"), str(self._folder / "gen")])
        try:
            done = subprocess.run(
                [sys.executable, "-m", *program],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": code, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=_COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{command}: not done after {_COMMAND_SECONDS} seconds"
        if done.returncode not in (0, _TESTS_FAILED):
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout[-4000:], done.stderr[-4000:])
        return (done.stdout + done.stderr)[-4000:] if done.returncode else None
