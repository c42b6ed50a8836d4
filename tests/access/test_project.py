"""What a langgraph.json says of access is not passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import runwire.dispatch.__main__ as dispatch
from runwire.core.access import AccessError
from runwire.core.access.project import check_project
from runwire.core.settings import Settings


@pytest.mark.parametrize("auth", [{"path": "./auth.py:auth"}, {"path": "./auth.py:auth", "disable_studio_auth": True}])
async def test_a_project_with_an_auth_is_refused_by_its_name(
    settings: Settings, tmp_path: Path, auth: dict[str, object]
) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text(json.dumps({"graphs": {}, "auth": auth}))
    with pytest.raises(AccessError, match=r"has an auth \(\./auth\.py:auth\), which Runwire does not ask"):
        async with dispatch.running(settings.model_copy(update={"graphs": file})):
            pass
    check_project(settings.model_copy(update={"graphs": file, "ignore_project_auth": True}))


@pytest.mark.parametrize("content", ['{"graphs": {}}', '{"auth": null}', '{"auth": {}}', "[]", "no JSON", None])
def test_a_project_without_one_is_not(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "langgraph.json"
    if content is not None:
        file.write_text(content)
    check_project(Settings(graphs=file))


@pytest.mark.parametrize("auth", ['{"openapi": {}}', '"./auth.py:auth"', "[1]"])
def test_an_auth_that_is_not_understood_is_refused_as_well(tmp_path: Path, auth: str) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text(f'{{"auth": {auth}}}')
    with pytest.raises(AccessError):
        check_project(Settings(graphs=file))
