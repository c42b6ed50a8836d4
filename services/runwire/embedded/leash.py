"""Becomes a server program that cannot outlive its parent. Run as a file, never imported.

`python -I -S leash.py PARENT SIGNAL UID GID PROGRAM ARG…`: changes to the account UID:GID (`-1` keeps the
present one), asks the kernel for SIGNAL when the parent ends, then turns into PROGRAM in the same process.
A stage of its own, since doing this between fork and exec would need a plain fork(), which hurts a parent
that has gRPC or threads running.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(uid: int, gid: int) -> None:
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def follow_parent(parent: int, number: int) -> None:
    if sys.platform != "linux":  # elsewhere the next start ends what was left over
        return
    # After become(): the kernel forgets the wish when the account changes.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started this server has ended")


def main(parent: str, number: str, uid: str, gid: str, *command: str) -> None:
    become(int(uid), int(gid))
    follow_parent(int(parent), int(number))
    # Python ignores these two, and a program keeps what is ignored.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
