"""API keys: whose they are, when they stop to be, and that they are never shown."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runwire.core.access import AccessError
from runwire.core.access.api_keys import ApiKeys, KeyLine, add_line, new_key
from runwire.core.identity import Identity
from tests.access.conftest import Guarded, bearer
from tests.contract.rpcs import Rpc, all_rpcs

[LIST_THREADS] = [rpc for rpc in all_rpcs() if rpc.name == "ListThreads"]


def made(file: Path, subject: str = "ci", expires: datetime | None = None) -> str:
    """A new key in the file."""
    key, line = new_key("acme", subject, ["runs:*", "threads:read"], expires)
    add_line(file, line)
    return key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one key."""
    path = tmp_path / "keys.jsonl"
    made(path, "first")
    return path


def test_a_key_is_its_lines_caller(file: Path) -> None:
    key = made(file)
    assert ApiKeys(file).identity(key) == Identity("acme", "ci", frozenset({"runs:*", "threads:read"}))


def test_the_file_holds_no_key_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    key = made(file)
    assert key.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("last", ["", "# our keys", '{"id": "00000000"'])
def test_a_new_key_has_a_line_of_its_own_whatever_the_last_one_ends_with(tmp_path: Path, last: str) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text(f"# first\n{last}")
    key = made(file)
    lines = file.read_text().splitlines()
    assert lines[:-1] == ["# first", last][: 1 + bool(last)]
    file.write_text(lines[-1])
    second = made(file)
    assert None not in (ApiKeys(file).identity(key), ApiKeys(file).identity(second))


@pytest.mark.parametrize("change", [lambda key: key[:-1], lambda key: key + "x", str.upper, lambda key: key[:16]])
def test_a_key_that_is_not_quite_right_is_nobodys(file: Path, change: object) -> None:
    assert callable(change)
    assert ApiKeys(file).identity(change(made(file))) is None


def test_a_key_ends_when_it_expires(file: Path) -> None:
    now = datetime.now(UTC)
    keys = [made(file, expires=now - timedelta(seconds=1)), made(file, expires=now + timedelta(minutes=1))]
    assert [ApiKeys(file).identity(key) is not None for key in keys] == [False, True]


def test_new_lines_and_removed_lines_count_at_once(file: Path) -> None:
    keys = ApiKeys(file)
    key = made(file)
    assert keys.identity(key) is not None
    file.write_text(file.read_text().splitlines()[0] + "\n")
    assert keys.identity(key) is None


def test_an_edit_counts_that_changes_neither_size_nor_date(file: Path) -> None:
    key = made(file)
    keys = ApiKeys(file)
    assert keys.identity(key) is not None
    before, content = file.stat(), file.read_text()
    assert content.count("acme") == 2
    # The clock of files may stand still for some milliseconds.
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        file.write_text(content.replace("acme", "ecma"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    found = keys.identity(key)
    assert found is not None
    assert found.tenant == "ecma"


@pytest.mark.parametrize("broken", ["{", None])
def test_a_broken_edit_locks_nobody_out_and_is_said(
    file: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    key = made(file)
    keys = ApiKeys(file)
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)
    assert keys.identity(key) is not None
    assert keys.identity(key) is not None
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
        "a changed file can't be used, what it said before stays in force"
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nonsense", "line 3 is not valid (it: Invalid JSON"),
        ('{"tenant": "a/b", "subject": "s", "scopes": ["*"], "id": "00000000", "sha256": "SECRET"}', "tenant"),
        ('{"tenant": "a", "subject": "s", "scopes": ["runs"], "id": "00000000", "sha256": "SECRET"}', "not a scope"),
        ('{"tenant": "a", "subject": "s", "scopes": [], "id": "00000000", "sha256": "SECRET"}', "scopes"),
        ('{"tenant": "a", "subject": "s", "scopes": ["*"], "id": "00000000", "sha256": "SECRET", "x": 1}', "x: Extra"),
    ],
)
def test_a_line_that_is_not_valid_is_named_and_not_shown(file: Path, line: str, what: str) -> None:
    file.write_text(f"# keys\n\n{line}\n")
    with pytest.raises(AccessError) as caught:
        ApiKeys(file)
    assert "line 3" in str(caught.value)
    assert what in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_missing_file_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="can't be read"):
        ApiKeys(tmp_path / "none.jsonl")


def test_a_lines_repr_has_no_hash(file: Path) -> None:
    line = KeyLine.model_validate_json(file.read_text())
    assert line.sha256 not in repr(line)


def metadata_of(key: str) -> list[tuple[list[tuple[str, str]], bool]]:
    """Ways to show a key, and whether they let in."""
    return [
        ([("authorization", f"Bearer {key}")], True),
        ([("authorization", f"bearer  {key}")], True),
        ([("x-api-key", key)], True),
        ([("authorization", key)], False),
        ([("authorization", f"Basic {key}")], False),
        ([("authorization", "Bearer ")], False),
        ([("x-api-key", key), ("x-api-key", key)], False),
        ([("x-api-key", key), ("authorization", f"Bearer {key}")], False),
        ([("x-api-key", key), ("authorization", "Basic eDp5")], False),
        ([("x-api-key", "")], False),
        ([("x-api-key", "' OR 1=1 --")], False),
        ([("authorization", f"Bearer {key}{'x' * 3_000}")], False),
        ([("authorization", f"Bearer {key} {key}")], False),
        ([("x-api-key", key)] * 50, False),
    ]


@pytest.mark.parametrize("way", range(len(metadata_of(""))))
async def test_a_call_shows_exactly_one_key_in_one_of_two_ways(guarded: Guarded, way: int) -> None:
    metadata, is_let_in = metadata_of(guarded.keys["*"])[way]
    refused = await guarded.refused(LIST_THREADS, metadata, b"")
    assert (refused is None) is is_let_in
    assert refused is None or refused.reason == "UNAUTHENTICATED"


async def test_no_key_reaches_the_log_or_the_answer(
    guarded: Guarded, caplog: pytest.LogCaptureFixture, file: Path
) -> None:
    stranger = made(file)
    with caplog.at_level(logging.DEBUG):
        answers = [
            await guarded.refused(rpc, metadata, request)
            for rpc in _one_of_each_process()
            for key in (guarded.keys["*"], guarded.keys["store:read"], stranger)
            for metadata in (bearer(key), [("authorization", key)], [("x-api-key", f"{key}x")])
            for request in (b"", b"\xff\xff")
        ]
    said = "\n".join(str(vars(record)) for record in caplog.records) + "\n".join(map(repr, answers))
    assert "UNAUTHENTICATED" in said
    assert "PERMISSION_DENIED" in said
    for key in (guarded.keys["*"], guarded.keys["store:read"], stranger):
        assert key.split("_", 2)[2] not in said


def _one_of_each_process() -> list[Rpc]:
    return list({rpc.process: rpc for rpc in all_rpcs()}.values())
