"""Where the servers keep their files, and the lock that says which process runs them.

Usually that is the state folder itself. Under root the servers run as `nobody`, who often cannot enter it (a
clone below root's home): then the files live in a folder outside, named by `location` in the state folder.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runwire.embedded.account import Account

OUTSIDE = Path("/var/lib/runwire")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """`state_dir` is the caller's; `path` is where the servers' files are."""

    state_dir: Path
    path: Path

    def remove_if_outside(self) -> None:
        """Leaves nothing behind of a home that no caller knows of; for throw-away servers."""
        if self.path != self.state_dir:
            shutil.rmtree(self.path, ignore_errors=True)
            (self.state_dir / "location").unlink(missing_ok=True)


def find_home(state_dir: Path, account: Account, *, durable: bool) -> Home:
    """The home that belongs to a state folder; both are created when absent."""
    state_dir = state_dir.absolute()
    if not state_dir.exists():
        state_dir.mkdir(parents=True)
        state_dir.chmod(0o711 if account.is_other else 0o700)
    state_dir = state_dir.resolve()
    location = state_dir / "location"
    if location.exists():
        path = Path(location.read_text().strip())
        if path.is_dir():
            return Home(state_dir=state_dir, path=path)
        location.unlink()
    if account.can_reach(state_dir):
        return Home(state_dir=state_dir, path=state_dir)
    return Home(state_dir=state_dir, path=_make_outside(location, durable=durable))


def _make_outside(location: Path, *, durable: bool) -> Path:
    base = OUTSIDE if durable else Path(tempfile.gettempdir())
    base.mkdir(mode=0o755, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="runwire-", dir=base))
    made.chmod(0o711)
    draft = location.with_name(f"location.{secrets.token_hex(4)}")
    draft.write_text(f"{made}\n")
    try:
        os.link(draft, location)  # unlike a rename, this lets only the first of two concurrent starts win
    except FileExistsError:
        made.rmdir()
        return Path(location.read_text().strip())
    finally:
        draft.unlink()
    return made


class Lock:
    """An exclusive lock on a file, given back by the kernel when its process ends in any way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """True when this object has the lock now, False when somebody else has it."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def give_back(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
