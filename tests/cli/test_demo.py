"""`runwire demo`, from an idle machine to the report."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Start, assert_nothing_is_left

TEXT = """# Two lamps

The old lamp is lit by hand each evening. It is lit by hand, and it burns oil.

## The new lamp

The new lamp burns gas, and nobody has to carry oil to it. TODO: say who pays for the gas.
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A small text with two sections."""
    file = tmp_path / "lamps.md"
    file.write_text(TEXT)
    return file


async def test_the_demo_shows_a_document_from_its_first_event_to_success(
    start: Start, state_dir: Path, document: Path
) -> None:
    demo = start("demo", document)
    assert await demo.end() == 0, demo.output
    told = ("started", "section 2 of 2", "outline → draft", "interrupted", "tool call", "tool result", "message")
    assert [word for word in told if word not in demo.output] == []
    assert demo.output.index("interrupted") < demo.output.index("approve → decision")
    assert "# Report: Two lamps" in demo.output
    assert "The end: SUCCESS" in demo.output
    assert "time to first event" in demo.output
    await assert_nothing_is_left(state_dir)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "can't be read: No such file or directory."),
        (b" \n", "is empty."),
        (b"\xff\xfe\x00", "is not a text in UTF-8."),
    ],
    ids=["missing", "empty", "binary"],
)
async def test_a_file_that_is_no_document_is_refused_with_one_sentence(
    start: Start, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "document.md"
    if content is not None:
        file.write_bytes(content)
    demo = start("demo", file)
    assert await demo.end() == 1
    assert demo.output == f"{file} {sentence}\n"


async def test_a_demo_that_is_interrupted_ends_everything(
    start: Start, state_dir: Path, document: Path, uris: dict[str, str]
) -> None:
    demo = start("demo", document, RUNWIRE_EXAMPLE_TOKEN_SECONDS="30", **uris)
    await demo.says("write → draft, report")
    demo.send(signal.SIGINT)
    assert await demo.end() == 128 + signal.SIGINT
    await assert_nothing_is_left(state_dir)


async def test_a_demo_that_is_killed_takes_everything_along(start: Start, state_dir: Path, document: Path) -> None:
    demo = start("demo", document, RUNWIRE_EXAMPLE_TOKEN_SECONDS="30")
    await demo.says("write → draft, report")
    demo.send(signal.SIGKILL)
    await demo.end()
    await assert_nothing_is_left(state_dir)


async def test_a_worker_that_cannot_start_is_shown_by_the_end_of_its_log(
    start: Start, state_dir: Path, document: Path, uris: dict[str, str]
) -> None:
    demo = start("demo", document, RUNWIRE_EXAMPLE_MODEL="nobody:nothing", **uris)
    assert await demo.end() == 1
    assert "worker ended before it was ready" in demo.output
    assert str(state_dir / "demo/logs/worker.log") in demo.output
    assert "can't start" in demo.output.splitlines()[-1]
    await assert_nothing_is_left(state_dir)
