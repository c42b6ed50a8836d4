"""`runwire keys`."""

from __future__ import annotations

from pathlib import Path

import pytest

from runwire.core.access.api_keys import ApiKeys
from runwire.core.identity import Identity
from tests.cli.conftest import Start


async def test_a_new_key_is_printed_once_and_kept_as_a_hash(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    arguments = ["--tenant", "acme", "--subject", "ci", "--scope", "runs:*", "--scope", "*:read", "--expires-in", "90d"]
    command = start("keys", "new", *arguments, RUNWIRE_API_KEYS_FILE=str(file))
    assert await command.end() == 0
    [key] = [line for line in command.output.splitlines() if line.startswith("rw_")]
    assert ApiKeys(file).identity(key) == Identity("acme", "ci", frozenset({"runs:*", "*:read"}))
    assert key.split("_", 2)[2] not in file.read_text()
    assert '"expires"' in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tenant", "a/b"], "tenant: String should match pattern"),
        (["--tenant", "a", "--scope", "everything"], "scopes: Value error, not a scope"),
    ],
)
async def test_what_is_wrong_with_a_new_key_is_said(
    start: Start, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    file = tmp_path / "keys.jsonl"
    command = start("keys", "new", "--file", str(file), *arguments)
    assert await command.end() == 1
    assert sentence in command.output
    assert not file.exists()
