"""Which account the servers run under: the caller's own, or `nobody` when the caller is root.

PostgreSQL refuses to run as root, and a server has no business running as root anyway.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from runwire.embedded.errors import EmbeddedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`uid` and `gid` to change to; -1 means the caller's own account."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid >= 0

    def give(self, path: Path) -> None:
        """Makes the account the owner of `path`."""
        if self.is_other:
            os.chown(path, self.uid, self.gid)

    def can_reach(self, path: Path) -> bool:
        """Whether the account may enter `path` and every folder above it."""
        if not self.is_other:
            return True
        path = path.resolve()
        return all(self._may_enter(folder) for folder in (path, *path.parents) if folder.is_dir())

    def _may_enter(self, folder: Path) -> bool:
        status = folder.stat()
        bit = stat.S_IXUSR if status.st_uid == self.uid else stat.S_IXOTH
        return bool(status.st_mode & bit)


def server_account() -> Account:
    """The account for servers started by this process."""
    if os.geteuid() != 0:
        return Account(uid=-1, gid=-1)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "The embedded servers do not run as root and there is no account `nobody` to run them under: "
            "start as an ordinary user, or set DATABASE_URI and REDIS_URI."
        ) from None
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)
