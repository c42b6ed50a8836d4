"""What a langgraph.json says of times to live."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from runwire.core.expiry import Expiry, InvalidExpiry

MINUTE = timedelta(minutes=1)


def read(tmp_path: Path, text: str) -> Expiry:
    file = tmp_path / "langgraph.json"
    file.write_text(text)
    return Expiry.read(file)


def test_without_the_file_nothing_expires(tmp_path: Path) -> None:
    expiry = Expiry.read(tmp_path / "langgraph.json")
    assert (expiry.threads.duration, expiry.items.duration) == (None, None)
    assert (expiry.threads.strategy, expiry.items.refresh_on_read) == ("delete", True)
    assert expiry.threads.sweep_interval(MINUTE) == MINUTE


@pytest.mark.parametrize("text", ['{"graphs": {}}', '{"store": null, "checkpointer": {"ttl": null}}'])
def test_a_file_that_does_not_speak_of_it_sets_nothing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Expiry()


def test_times_are_minutes_and_what_is_unknown_is_left_to_others(tmp_path: Path) -> None:
    expiry = read(
        tmp_path,
        """{"checkpointer": {"ttl": {"strategy": "keep_latest", "default_ttl": 43200, "sweep_interval_minutes": 10,
        "sweep_limit": 5}, "path": "x"},
        "store": {"index": {}, "ttl": {"default_ttl": 0.5, "refresh_on_read": false}}}""",
    )
    assert (expiry.threads.strategy, expiry.threads.duration) == ("keep_latest", timedelta(days=30))
    assert expiry.threads.sweep_interval(MINUTE) == timedelta(minutes=10)
    assert (expiry.items.refresh_on_read, expiry.items.duration) == (False, timedelta(seconds=30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a langgraph.json"),
        ("[]", "is not a langgraph.json"),
        ('{"store": {"ttl": {"default_ttl": "soon"}}}', r"store\.ttl\.default_ttl"),
        ('{"store": {"ttl": 5}}', r"store\.ttl"),
        ('{"checkpointer": {"ttl": {"default_ttl": 1e9}}}', r"checkpointer\.ttl\.default_ttl"),
        ('{"checkpointer": {"ttl": {"strategy": "archive"}}}', r"checkpointer\.ttl\.strategy"),
        ('{"checkpointer": {"ttl": {"sweep_interval_minutes": -1}}}', r"checkpointer\.ttl\.sweep_interval_minutes"),
    ],
)
def test_settings_that_can_not_be_used_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidExpiry, match=said):
        read(tmp_path, text)
