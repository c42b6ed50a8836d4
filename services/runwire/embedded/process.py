"""One child process that is watched, reaped and ended, and the leftovers of a launcher that was killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runwire.embedded.account import Account

_LEASH = Path(__file__).with_name("leash.py")
_LOG_LIMIT = 10_000_000  # bytes; a longer log is put aside at the next start
_TICK = 0.01  # seconds


class Child:
    """A program started on the leash: it gets `end_signal` should this process end first."""

    def __init__(self, command: Sequence[str | Path], *, account: Account, folder: Path, end_signal: int) -> None:
        self.log = folder / "server.log"
        self._put_old_log_aside()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_LEASH)),
                    *map(str, (os.getpid(), int(end_signal), account.uid, account.gid)),
                    *map(str, command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,  # Ctrl-C is for the launcher, which ends things in order
            )

    def _put_old_log_aside(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def last_words(self) -> str:
        """The last line of the log that says something."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "(no output)"

    async def wait(self, seconds: float) -> bool:
        """True when the process has ended within the time."""
        return await becomes(lambda: self.exit_code is not None, seconds)

    async def end(self, steps: Sequence[tuple[int, float]]) -> None:
        """Sends each signal in turn and waits its seconds, until the process has ended."""
        for number, seconds in steps:
            if self.exit_code is not None:
                return
            self._process.send_signal(number)
            if await self.wait(seconds):
                return

    async def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        await self.end([(signal.SIGKILL, 30.0)])


async def becomes(condition: Callable[[], bool], seconds: float) -> bool:
    """True when `condition` holds within the time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_TICK)
    return True


async def end_leftover(pid: int, marker: str, steps: Sequence[tuple[int, float]]) -> None:
    """Ends process `pid` if it is alive and has `marker` on its command line."""
    for number, seconds in steps:
        if marker not in _command_line(pid):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        await becomes(lambda: marker not in _command_line(pid), seconds)


def _command_line(pid: int) -> str:
    """The command line of a living process; empty for one that ended, reaped or not."""
    if Path("/proc/self/cmdline").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listing.stdout


def _environment(folder: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
