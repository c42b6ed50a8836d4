"""Real processes under one roof, as the benchmark and the system tests use them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runwire.cli.errors import StackError
from runwire.cli.health import wait_until_serving
from runwire.cli.process import Process
from runwire.cli.stack import HEALTH_NAMES, _failed, running
from runwire.core.settings import Settings


async def test_processes_are_ready_when_the_block_begins(settings: Settings, tmp_path: Path) -> None:
    async with running(settings, log_dir=tmp_path, processes=["resource", "stream"]) as stack:
        for name in ("resource", "stream"):
            await wait_until_serving(stack.address(name), HEALTH_NAMES[name])


async def test_processes_are_gone_when_the_block_has_ended(settings: Settings, tmp_path: Path) -> None:
    async with running(settings, log_dir=tmp_path, processes=["resource"]) as stack:
        pid = stack.process("resource").pid
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_process_that_was_killed_can_be_restarted_at_its_address(settings: Settings, tmp_path: Path) -> None:
    async with running(settings, log_dir=tmp_path, processes=["resource"]) as stack:
        address, process = stack.address("resource"), stack.process("resource")
        process.kill()
        assert await process.wait() == -9
        await stack.restart("resource")
        assert stack.address("resource") == address
        await wait_until_serving(address, HEALTH_NAMES["resource"])


async def test_two_processes_of_a_part_have_addresses_of_their_own(settings: Settings, tmp_path: Path) -> None:
    async with running(settings, log_dir=tmp_path, processes=["resource"]) as stack:
        await stack.start("resource-2")
        assert stack.address("resource") != stack.address("resource-2")
        await wait_until_serving(stack.address("resource-2"), HEALTH_NAMES["resource"])


async def test_a_process_that_ends_at_once_is_told_by_its_last_words(settings: Settings, tmp_path: Path) -> None:
    lame = settings.model_copy(update={"database_uri": "postgresql://nobody@127.0.0.1:1/nothing"})
    with pytest.raises(StackError, match="resource ended before it was ready") as caught:
        async with running(lame, log_dir=tmp_path, processes=["resource"]):
            pass
    assert "can't work with the database" in str(caught.value)


def test_the_exception_that_ended_a_process_is_shown_as_a_person_reads_it(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    record = {"level": "CRITICAL", "exc_info": "Traceback (most recent call last):\n  …\nValueError: no"}
    log.write_text(f"plain words\n{json.dumps(record)}\n")
    process = Process("worker", "worker", "", {}, log)
    shown = str(_failed(process, "ended")).splitlines()
    assert shown[1:] == ["  plain words", "  Traceback (most recent call last):", "    …", "  ValueError: no"]
