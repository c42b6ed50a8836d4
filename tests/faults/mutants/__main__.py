"""Puts known bugs of this field back, one at a time, and shows that a test or the fault campaign finds each.

    ./buildout.sh mutants [NAME …]

Each bug is a patch in this folder. It is applied to a copy of the tracked files, and the commands that its header names
are run there. They must pass without the patch, and at least one of them must fail with it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.mutants.copies import Copy
from tests.faults.mutants.patches import Mutant, mutants


def main() -> int:
    """Prints the table. 0: every mutant was killed, and without them all is well."""
    parser = argparse.ArgumentParser(prog="buildout.sh mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of mutants; all without any")
    names = parser.parse_args().names
    chosen = [mutant for mutant in mutants() if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in chosen}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="runwire-mutants-") as folder:
        return _try_all(chosen, Path(folder))


def _try_all(chosen: list[Mutant], folder: Path) -> int:
    say = Console(stderr=True).print
    clean = Copy(folder / "clean")
    broken = set[str]()
    for command in dict.fromkeys(command for mutant in chosen for command in mutant.killers):
        say(f"unpatched: {command}")
        if (failure := clean.failure_of(command)) is not None:
            broken.add(command)
            say(failure)
    table = Table("mutant", "invariant", "bug", "killed by", "seconds")
    survivors = 0
    for mutant in chosen:
        say(f"{mutant.name} …")
        began = time.monotonic()
        killer = _killer(mutant, folder / mutant.name, broken)
        survivors += killer is None
        took = f"{time.monotonic() - began:.0f}"
        table.add_row(mutant.name, mutant.invariant, mutant.bug, killer or "[bold red]survived", took)
    Console(width=160 if not sys.stdout.isatty() else None).print(table)
    killed = len(chosen) - survivors
    print(f"{killed} of {len(chosen)} mutants killed; {len(broken)} commands fail without any")
    return 1 if survivors or broken else 0


def _killer(mutant: Mutant, folder: Path, broken: set[str]) -> str | None:
    """The first test, or command, that fails with the bug and passes without it."""
    patched = Copy(folder)
    patched.apply(mutant.file)
    for command in mutant.killers:
        if command not in broken and (failure := patched.failure_of(command)) is not None:
            failed = re.search(r"^FAILED (\S+)", failure, re.MULTILINE)
            return failed[1] if failed else command
    return None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stderr or ''}")
