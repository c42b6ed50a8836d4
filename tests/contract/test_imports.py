"""Who may import whom."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent.parent
_LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


@pytest.mark.skipif(not _LINT_IMPORTS.exists(), reason="import-linter is not installed")
def test_the_import_contracts_are_kept() -> None:
    path = os.pathsep.join([str(_ROOT / "services"), str(_ROOT / "gen")])
    done = subprocess.run(
        [_LINT_IMPORTS, "--no-cache"],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_runwire_stays_a_namespace_of_two_portions() -> None:
    assert not (_ROOT / "services" / "runwire" / "__init__.py").exists()
    assert not (_ROOT / "gen" / "runwire" / "__init__.py").exists()
