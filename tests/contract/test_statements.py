"""Every statement in a .sql file beside a module is one that Postgres takes with our schema."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from runwire.core import sql
from runwire.core.postgres import Pool

_SERVICES = Path(sql.__file__).parent.parent.parent
_FILES = sorted(file for file in (_SERVICES / "runwire").rglob("*.sql") if file.parent.name != "migrations")
_VERB = re.compile(r"^(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.MULTILINE)
_BLANK = re.compile(r"\{\w+\}")
# What lists fill in for each call.
_PER_CALL = {"{conditions}": "true", "{order}": "1", "{limit}": "10"}


def _is_statement(text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("--")]
    return bool(lines and _VERB.match(lines[0]))


def _filled(text: str) -> str:
    for blank, value in _PER_CALL.items():
        text = text.replace(f"{{{blank}}}", value).replace(blank, value)
    return text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)


def _statements(module: ModuleType) -> set[str]:
    """The statements that a module holds, as it executes them."""
    found = {_filled(text) for value in vars(module).values() for text in _texts(value) if _is_statement(text)}
    return {text for text in found if not _BLANK.search(text)}


def _module(file: Path) -> ModuleType:
    return importlib.import_module(".".join(file.relative_to(_SERVICES).with_suffix("").parts))


def test_there_are_statements() -> None:
    assert len(_FILES) > 10


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
async def test_every_statement_is_prepared(pool: Pool, file: Path) -> None:
    statements = _statements(_module(file))
    async with pool.acquire() as connection:
        for statement in statements:
            await connection.prepare(statement)


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_statement_is_left_out(file: Path) -> None:
    statements = _statements(_module(file))
    for name, text in sql.load(str(file.with_suffix(".py"))).items():
        if _is_statement(text):
            head = text.partition("{")[0]
            assert any(found.startswith(head) for found in statements), name


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_threads_are_locked_in_one_order_whatever_the_collation_of_the_database(file: Path) -> None:
    assert re.findall(r'ORDER BY [^\n]*\bthread_id\b(?! COLLATE "C")', file.read_text()) == []
