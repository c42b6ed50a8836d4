"""The mutants: patches with a header that says what is broken and what finds it.

Bug: <one line>
Invariant: <I1 … I14>
Killer: <arguments of pytest, or `faults ARG…` for the campaign>     (one line each; each of them has to find it)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A known bug, and the commands that must find it."""

    file: Path
    bug: str
    invariant: str
    killers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.file.stem


def is_campaign(command: str) -> bool:
    """Whether a killer is a campaign, not a test."""
    return command.startswith("faults ")


def mutants() -> list[Mutant]:
    """All of them, by name."""
    return [read(file) for file in sorted(FOLDER.glob("*.patch"))]


def read(file: Path) -> Mutant:
    """A mutant. Raises ValueError for a header that is not complete."""
    fields: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if line.startswith("diff --git"):
            break
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    if fields.keys() != {"Bug", "Invariant", "Killer"} or len(fields["Bug"]) + len(fields["Invariant"]) != 2:
        raise ValueError(f"{file.name} must begin with one Bug, one Invariant and at least one Killer")
    return Mutant(file=file, bug=fields["Bug"][0], invariant=fields["Invariant"][0], killers=tuple(fields["Killer"]))
