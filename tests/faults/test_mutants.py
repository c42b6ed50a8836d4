"""Known bugs can still be put back: every mutant has its header, fits the code, and names tests that exist.

That each is killed is shown by `./buildout.sh mutants`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.faults.mutants.copies import ROOT, Copy, Inconclusive
from tests.faults.mutants.patches import Mutant, is_campaign, mutants

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
        assert is_campaign(killer) or Path(ROOT, shlex.split(killer)[0].partition("::")[0]).exists()


_ATTEMPTS = {
    "passed": "def test_it(): pass",
    "failed": "def test_it(): assert False",
    "ended by an error": "def test_it(): raise ValueError",
    "without an end": "import threading, pytest\n@pytest.mark.timeout(0.2)\ndef test_it(): threading.Event().wait()",
    "without its fixture": "import pytest\n@pytest.fixture\ndef it(): assert False\ndef test_it(it): pass",
    "not there": "",
}


def _found(copy: Copy, test: str) -> list[str] | None:
    (copy.folder / "test_it.py").write_text(test)
    try:
        return copy.found_by("test_it.py")
    except Inconclusive:
        return None


def test_only_a_failed_test_has_found_a_mutant(copy: Copy) -> None:
    assert {name: _found(copy, test) for name, test in _ATTEMPTS.items()} == {
        "passed": [],
        "failed": ["test_it.py::test_it"],
        "ended by an error": ["test_it.py::test_it"],
        "without an end": None,
        "without its fixture": None,
        "not there": None,
    }
