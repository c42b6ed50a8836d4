"""Known bugs can still be put back: every mutant has its header, fits the code, and names tests that exist.

That each is killed is shown by `./buildout.sh mutants`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.faults.mutants.copies import ROOT, Copy
from tests.faults.mutants.patches import Mutant, mutants

_MUTANTS = mutants()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """A copy of the project."""
    return Copy(tmp_path_factory.mktemp("copy"))


def test_there_are_mutants() -> None:
    assert len(_MUTANTS) >= 12


@pytest.mark.parametrize("mutant", _MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_the_code(mutant: Mutant, copy: Copy) -> None:
    copy.check(mutant.file)


@pytest.mark.parametrize("mutant", _MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutants_killers_exist(mutant: Mutant) -> None:
    for killer in mutant.killers:
        name = shlex.split(killer)[0]
        assert name == "faults" or Path(ROOT, name.partition("::")[0]).exists()
