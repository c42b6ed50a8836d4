"""What a langgraph.json says of access is not passed over in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import runwire.dispatch.__main__ as dispatch
from runwire.core.access import AccessError
from runwire.core.access.project import check_project
from runwire.core.project import Project
from runwire.core.settings import Settings


def project(folder: Path, auth: Any) -> Path:
    file = folder / "langgraph.json"
    file.write_text(json.dumps({"graphs": {}, "auth": auth}))
    return file


async def test_a_project_with_an_auth_is_refused_until_somebody_decides(settings: Settings, tmp_path: Path) -> None:
    file = project(tmp_path, {"path": "./auth.py:auth"})
    with pytest.raises(AccessError, match="has an auth: set RUNWIRE_CUSTOM_AUTH=true"):
        async with dispatch.running(settings.model_copy(update={"graphs": file})):
            pass
    check_project(settings.model_copy(update={"graphs": file, "ignore_project_auth": True}))
    check_project(settings.model_copy(update={"graphs": file, "custom_auth": True}))


@pytest.mark.parametrize("content", ['{"graphs": {}}', '{"auth": null}', '{"auth": {}}', "[]", None])
def test_a_project_without_one_has_none_to_ask(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "langgraph.json"
    if content is not None:
        file.write_text(content)
    check_project(Settings(graphs=file))
    with pytest.raises(AccessError, match="RUNWIRE_CUSTOM_AUTH needs an auth with a path"):
        check_project(Settings(graphs=file, custom_auth=True))


@pytest.mark.parametrize("odd", ["NaN", "1e999", r'"\ud800"', "-Infinity"])
def test_an_auth_beside_what_only_some_parsers_take_is_not_passed_over(tmp_path: Path, odd: str) -> None:
    file = tmp_path / "langgraph.json"
    file.write_text(f'{{"graphs": {{}}, "auth": {{"path": "./auth.py:auth"}}, "odd": {odd}}}')
    assert Project.read(file).auth == "./auth.py:auth"
    with pytest.raises(AccessError, match="has an auth: set RUNWIRE_CUSTOM_AUTH=true"):
        check_project(Settings(graphs=file))


@pytest.mark.parametrize("content", [b"no JSON", b"", b"\xff", b"[" * 100_000, None])
def test_a_file_of_which_nobody_can_tell_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "langgraph.json"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(AccessError, match="may have an auth that nobody asks"):
        check_project(Settings(graphs=file))
    check_project(Settings(graphs=file, ignore_project_auth=True))


@pytest.mark.parametrize("auth", [{"openapi": {}}, "./auth.py:auth", [1]])
@pytest.mark.parametrize("is_asked", [True, False])
def test_an_auth_that_is_not_understood_is_refused_as_well(tmp_path: Path, auth: Any, is_asked: bool) -> None:
    with pytest.raises(AccessError):
        check_project(Settings(graphs=project(tmp_path, auth), custom_auth=is_asked))


def test_options_that_can_not_be_honoured_are_named(tmp_path: Path) -> None:
    file = project(tmp_path, {"path": "./auth.py:auth", "disable_studio_auth": True, "cache": {}, "new": 1})
    with pytest.raises(AccessError, match=r": auth\.new can't be honoured"):
        check_project(Settings(graphs=file, custom_auth=True))


def test_tokens_and_an_auth_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="RUNWIRE_JWT_JWKS and RUNWIRE_CUSTOM_AUTH exclude each other"):
        Settings(jwt_jwks="f", jwt_issuer="i", jwt_audience="a", custom_auth=True)
