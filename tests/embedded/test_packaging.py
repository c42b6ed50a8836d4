import os
import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def build(kind: str, folder: Path) -> zipfile.ZipFile:
    """A wheel of this project; `kind` is wheel or editable."""
    script = f"import sys; from hatchling import build; build.build_{kind}(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def run_with(site: Path, statement: str) -> str:
    """The output of a statement in an interpreter that has only `site` and the installed packages."""
    others = [path for path in sys.path if path.endswith("site-packages")]
    script = f"import site, sys; sys.path[:0] = {others!r}; site.addsitedir(sys.argv[1])\n{statement}"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", script, site], cwd=site, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    return answer.stdout


def test_a_wheel_holds_both_portions_and_no_package_file_at_the_top(tmp_path: Path) -> None:
    names = build("wheel", tmp_path).namelist()
    assert "runwire/embedded/__init__.py" in names
    assert "runwire/embedded/py.typed" in names
    assert "runwire/api/py.typed" in names
    assert "runwire/api/stream/v1/stream_pb2_grpc.pyi" in names
    assert "runwire/__init__.py" not in names
    assert not [name for name in names if name.startswith("runwire/api/") and name.endswith("__init__.py")]


def test_an_installation_without_extras_brings_what_the_client_needs(tmp_path: Path) -> None:
    wheel = build("wheel", tmp_path)
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    required = message_from_bytes(wheel.read(metadata)).get_all("Requires-Dist", [])
    assert {re.split(r"[<>=]", each)[0] for each in required if "extra ==" not in each} == {"grpcio", "protobuf"}
    assert "runwire/client/py.typed" in wheel.namelist()


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_an_installation_imports_both_portions(kind: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(kind, tmp_path).extractall(site)
    statement = "import runwire.api.stream.v1.stream_pb2_grpc, runwire.embedded; print(runwire.embedded.__file__)"
    expected = ROOT / "services" if kind == "editable" else site
    assert run_with(site, statement).strip().startswith(str(expected))
