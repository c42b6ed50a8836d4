"""Puts known bugs of this field back, one at a time, and shows that a test or the fault campaign finds each.

    ./buildout.sh mutants [NAME …]

Each bug is a patch in this folder. It is applied to a copy of the tracked files, and the commands that its header names
are run there. They must pass without the patch, and each of them must find the bug: a test of it fails, or a
campaign sees the mutant's invariant violated. What comes to no end, or fails outside of a test, has found nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.faults.mutants.copies import Copy, Inconclusive
from tests.faults.mutants.patches import Mutant, is_campaign, mutants


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
        try:
            found = clean.found_by(command)
        except Inconclusive as error:
            found = [str(error)]
        if found:
            broken.add(command)
            say(*found, markup=False)
    table = Table("mutant", "invariant", "bug", Column("killed by", overflow="fold"), "seconds")
    survivors = 0
    for mutant in chosen:
        say(f"{mutant.name} …")
        began = time.monotonic()
        try:
            killer = _killer(mutant, folder / mutant.name, broken)
        except Inconclusive as error:
            say(str(error), markup=False)
            killer = None
        survivors += killer is None
        took = f"{time.monotonic() - began:.0f}"
        table.add_row(mutant.name, mutant.invariant, mutant.bug, killer or "[bold red]survived", took)
    Console(width=160 if not sys.stdout.isatty() else None).print(table)
    killed = len(chosen) - survivors
    print(f"{killed} of {len(chosen)} mutants killed; {len(broken)} commands fail without any")
    return 1 if survivors or broken else 0


def _killer(mutant: Mutant, folder: Path, broken: set[str]) -> str | None:
    """What finds the bug and passes without it: all of the header's commands have to. None where one does not."""
    patched = Copy(folder)
    patched.apply(mutant.file)
    killers = []
    for command in mutant.killers:
        found = patched.found_by(command) if command not in broken else []
        if is_campaign(command):
            found = [command] if mutant.invariant in found else []
        if not found:
            return None
        killers.append(found[0])
    return "\n".join(killers)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error}\n{error.stderr or ''}")
